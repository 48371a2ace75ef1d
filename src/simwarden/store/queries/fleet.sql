-- What is counted for the pages of metrics. One worker at a time asks.

-- name: gateways
select count(*) filter (where reported_at is null)::int as "NEVER_REPORTED",
       count(*) filter (where reported_at < $1::timestamptz - greatest(report_interval, 1) * $2::int * interval '1 second')::int
           as "OFFLINE",
       count(*) filter (where reported_at >= $1::timestamptz - greatest(report_interval, 1) * $2::int * interval '1 second')::int
           as "ONLINE",
       count(*) filter (where unreachable_count >= $3)::int as unreachable
from gateway

-- name: enforcements
-- By the index of what is to be done: an attachment for each SIM is too much to walk through.
select status, count(*)::int as count, extract(epoch from $1::timestamptz - min(since))::float8 as oldest
from attachment where next_attempt_at is not null group by status

-- name: deliveries
-- The head of each lane that is not empty: how long its event has waited.
select count(*)::int as lanes, coalesce(extract(epoch from now() - min(d.queued_at)), 0)::float8 as oldest,
       count(*) filter (where d.queued_at < now() - interval '1 minute')::int as "60",
       count(*) filter (where d.queued_at < now() - interval '10 minutes')::int as "600",
       count(*) filter (where d.queued_at < now() - interval '1 hour')::int as "3600"
from subscription s
join delivery d on d.bucket = s.bucket and d.subscription_id = s.id and d.n = s.lane_next and d.status = 'PENDING'
where s.lane_due_at is not null and s.inbox is null

-- name: sims
select coalesce(state, 'NEUTRAL') as state, coalesce(lifecycle, 'ACTIVE') as lifecycle, functions_off <> 0 as off, count(*) as count
from sim where bucket >= $1 and bucket < $2 group by 1, 2, 3

-- name: keep
insert into fleet_count as f (name, at, counts) values ($1, $2, $3)
on conflict (name) do update set at = excluded.at, counts = excluded.counts

-- name: read
select name, at, counts from fleet_count where name = any ($1::text[])
