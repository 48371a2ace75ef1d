-- What the watch looks for, and what it counts. One worker at a time asks; nothing here reads a whole large table but
-- `sims`, which is asked for a few buckets at a time.

-- name: beat
-- One small commit, and when the one before it was.
insert into fleet_count as f (name, at, counts) values ('watch', $1, $2)
on conflict (name) do update set at = excluded.at, counts = excluded.counts

-- name: last_beat
select at, counts from fleet_count where name = 'watch'

-- name: silent
with late as (
    select id from gateway
    where silent_since is null and reported_at is not null and out_of_service_at is null
      and greatest(reported_at, $2::timestamptz) < $1::timestamptz - greatest(report_interval, 1) * $3::int * interval '1 second'
    order by id
    for update skip locked
)
update gateway g set silent_since = $1 from late where g.id = late.id
returning g.id, g.name, g.reported_at, g.report_interval, g.address

-- name: nothing_waits
-- Gateways that do not answer, and at which nothing is to be commanded any more.
select a.gateway_id from alarm a
where a.kind = 'GATEWAY_UNREACHABLE' and a.cleared_at is null
  and not exists (select 1 from attachment t where t.element_id = a.gateway_id and t.next_attempt_at is not null)

-- name: quiet
-- Alarms of a kind that has no end of its own: for three report intervals it was not found again.
select a.kind, a.subject from alarm a
join gateway g on g.id = a.gateway_id
where a.kind = any ($1::text[]) and a.cleared_at is null
  and a.last_at < $2::timestamptz - greatest(g.report_interval, 1) * $3::int * interval '1 second'

-- name: gateway_gone
select a.kind, a.subject from alarm a
where a.gateway_id is not null and a.cleared_at is null and not exists (select 1 from gateway g where g.id = a.gateway_id)

-- name: dead_no_more
-- Nothing that was given up is left in the subscription: sent again or forgotten; or the subscription is deleted.
select a.kind, a.subject from alarm a
where a.kind = 'DELIVERIES_DEAD' and a.cleared_at is null
  and not exists (
      select 1 from subscription s
      join delivery d on d.bucket = s.bucket and d.subscription_id = s.id and d.status = 'DEAD'
      where s.bucket = (a.facts ->> 'bucket')::smallint and s.id = a.facts ->> 'subscription' and s.status <> 'DELETED'
  )

-- name: enforcement_backlog
select (select extract(epoch from $1::timestamptz - min(next_attempt_at))::float8 from attachment a
        where next_attempt_at is not null
          and not exists (select 1 from gateway g where g.id = a.element_id and g.out_of_service_at is not null)) as seconds,
       (select count(*) from (
        select 1 from attachment a
        where next_attempt_at < $2::timestamptz
          and not exists (select 1 from gateway g where g.id = a.element_id and g.out_of_service_at is not null)
        limit 10001) as overdue) as waiting

-- name: delivery_backlog
with recursive o (origin) as (
    (select origin from subscription where lane_due_at is not null and inbox is null order by origin limit 1)
    union all
    select (select s.origin from subscription s
            where s.lane_due_at is not null and s.inbox is null and s.origin > o.origin
            order by s.origin limit 1)
    from o where o.origin is not null
),
first as (
    select o.origin, l.lane_due_at
    from o
    cross join lateral (
        select s.lane_due_at from subscription s
        where s.origin = o.origin and s.lane_due_at is not null and s.inbox is null
        order by s.lane_due_at limit 1
    ) l
    where o.origin is not null
)
select extract(epoch from now() - lane_due_at)::float8 as seconds, origin,
       (select count(*) from first f where f.lane_due_at < now() - $1::interval) as waiting
from first order by lane_due_at limit 1
