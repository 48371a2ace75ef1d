-- Queues and their deliveries. Every statement carries the bucket; `bucket = any` is given the buckets of one shard
-- where there are shards. A queue is worked on by the one worker that leases its bucket, so nothing is locked to claim it.

-- name: due_queues
-- From account to account and from origin to origin along the index, a few queues of each: the thousands that wait for one
-- that is dead or busy cost nothing. $3, $4: origins and how many of their queues (those that are busy included) to look
-- at, $5 of others; $6, $7, $8: accounts, how many of their queues to return, and the origin to begin behind, $9 of others;
-- $10: origins of an account to visit. Behind the queues one row for each account that was visited: the last origin, when
-- there may be more behind it, and the seconds until the next queue is due.
with recursive a (account_id) as (
    (select account_id from subscription
     where bucket = any ($1::smallint[]) and lane_due_at is not null and inbox is null
     order by account_id limit 1)
    union all
    select (select s.account_id from subscription s
            where s.bucket = any ($1::smallint[]) and s.lane_due_at is not null and s.inbox is null
              and s.account_id > a.account_id
            order by s.account_id limit 1)
    from a where a.account_id is not null
),
account as materialized (
    select a.account_id, coalesce(k.room, $9) as room, coalesce(k.behind, '') as behind
    from a
    left join unnest($6::text[], $7::int[], $8::text[]) as k (account_id, room, behind) on k.account_id = a.account_id
    where a.account_id is not null and coalesce(k.room, $9) > 0
),
visited as materialized (
    select account.account_id, account.room, o.origin, o.visit, coalesce(k.look, $5) as look
    from account
    cross join lateral (
        with recursive o (origin, visit) as (
            (select s.origin, 1 from subscription s
             where s.bucket = any ($1::smallint[]) and s.lane_due_at is not null and s.inbox is null
               and s.account_id = account.account_id and s.origin > account.behind
             order by s.origin limit 1)
            union all
            select (select s.origin from subscription s
                    where s.bucket = any ($1::smallint[]) and s.lane_due_at is not null and s.inbox is null
                      and s.account_id = account.account_id and s.origin > o.origin
                    order by s.origin limit 1),
                   o.visit + 1
            from o where o.origin is not null and o.visit < $10
        )
        select origin, visit from o where origin is not null
    ) o
    left join unnest($3::text[], $4::int[]) as k (origin, look) on k.origin = o.origin
),
turn as (
    select l.*, v.room, row_number() over (partition by l.account_id order by l.lane_due_at) as turn
    from visited v
    cross join lateral (
        select s.*
        from subscription s
        where s.account_id = v.account_id and s.origin = v.origin and s.bucket = any ($1::smallint[])
          and s.lane_due_at <= now() and s.inbox is null
        order by s.lane_due_at
        limit v.look
    ) l
    where not exists (select 1 from unnest($2::text[]) as busy (id) where busy.id = l.id)
)
(select bucket, id, account_id, sink, origin, protocol_settings, sealed_target, credential, signing_secrets,
        ended_at is not null as ended, lane_next, delivery_count, null::float8 as next_due
 from turn
 where turn <= room
 order by turn, lane_due_at
 limit $11)
union all
select null, null, account.account_id, null, max(v.origin) filter (where v.visit = $10),
       null, null, null, null, null, null, null,
       extract(epoch from min(f.lane_due_at) - now())::float8
from account
left join visited v on v.account_id = account.account_id
left join lateral (
    select s.lane_due_at from subscription s
    where s.account_id = v.account_id and s.origin = v.origin and s.bucket = any ($1::smallint[])
      and s.lane_due_at > now() and s.lane_due_at < 'infinity' and s.inbox is null and v.look > 0
    order by s.lane_due_at
    limit 1
) f on true
group by account.account_id

-- name: heads
-- Without `bucket = any`: PostgreSQL sorts that array anew for every queue, four times the work for 256 of them.
select l.ord, d.*
from unnest($1::smallint[], $2::text[], $3::int[]) with ordinality as l (bucket, id, next, ord)
cross join lateral (
    select n, event_id, type, time, data, correlator, ends, created_at, queued_at, attempts
    from delivery
    where bucket = l.bucket and subscription_id = l.id and n >= l.next
      and status = 'PENDING'
    order by n
    limit $4
) d
order by l.ord, d.n

-- name: lock_queues
select bucket, id, account_id, origin from subscription
where bucket = any ($1::smallint[]) and id = any ($2::text[])
order by bucket, id
for update

-- name: record_deliveries
update delivery d
set status = r.status, attempts = r.attempts, attempted_at = r.at, last_status = r.answer, last_error = r.error,
    finished_at = case when r.status <> 'PENDING' then r.at end
from unnest($1::smallint[], $2::text[], $3::int[], $4::text[], $5::int[], $6::timestamptz[], $7::int[], $8::text[])
     as r (bucket, subscription_id, n, status, attempts, at, answer, error)
where d.bucket = r.bucket and d.subscription_id = r.subscription_id and d.n = r.n and d.status = 'PENDING'
  and d.bucket = any ($1::smallint[])

-- name: record_attempts
insert into delivery_attempt (bucket, subscription_id, n, at, duration_ms, status, error, answer)
select * from unnest($1::smallint[], $2::text[], $3::int[], $4::timestamptz[], $5::int[], $6::int[], $7::text[], $8::text[])
on conflict do nothing

-- name: advance_queues
update subscription s
set lane_next = case when s.lane_next = r.claimed then r.next else s.lane_next end,
    lane_due_at = case
        when s.paused_at is not null then 'infinity'
        when s.lane_next = r.claimed and r.next > s.delivery_count then null
        else now() + r.delay
    end
from unnest($1::smallint[], $2::text[], $3::int[], $4::int[], $5::interval[]) as r (bucket, id, claimed, next, delay)
where s.bucket = r.bucket and s.id = r.id and s.bucket = any ($1::smallint[])
returning s.lane_due_at is not null and s.paused_at is null as waiting

-- name: defer_origin
with waiting as (
    select bucket, id from subscription s
    where bucket = any ($1::smallint[]) and account_id = $2 and origin = $3 and lane_due_at <= now() and inbox is null
      and not exists (select 1 from unnest($6::text[]) as busy (id) where busy.id = s.id)
    order by bucket, id
    for update
)
update subscription s
set lane_due_at = now() + $4::interval + random() * $5::interval
from waiting w
where s.bucket = w.bucket and s.id = w.id and s.bucket = any ($1::smallint[])

-- name: release_origin
with waiting as (
    select bucket, id from subscription s
    where bucket = any ($1::smallint[]) and account_id = $2 and origin = $3 and lane_due_at > now()
      and lane_due_at <= now() + $4::interval and inbox is null
      and not exists (select 1 from unnest($5::text[]) as busy (id) where busy.id = s.id)
    order by bucket, id
    for update
)
update subscription s
set lane_due_at = now()
from waiting w
where s.bucket = w.bucket and s.id = w.id and s.bucket = any ($1::smallint[])

-- name: drop_pending
update delivery
set status = 'DROPPED', finished_at = now(), last_error = $4
where bucket = $1 and subscription_id = $2 and n > $3 and status = 'PENDING'

-- name: give_up_old
with given_up as (
update delivery d
set status = 'DEAD', finished_at = now(), last_error = coalesce(d.last_error, 'the sink could not be reached in time')
from subscription s
where s.bucket = any ($1::smallint[])
  -- Two partial indexes, one each for lanes to sinks and to inboxes.
  and (s.lane_due_at is not null and s.inbox is null or s.lane_due_at is not null and s.inbox is not null)
  and d.bucket = s.bucket and d.bucket = any ($1::smallint[]) and d.subscription_id = s.id
  and d.n >= s.lane_next and d.status = 'PENDING' and d.queued_at < $2
returning s.bucket, s.id, s.account_id, s.origin
)
select bucket, id, account_id, origin, count(*)::int as times from given_up group by bucket, id, account_id, origin

-- name: pending_queues
select count(*) from subscription
where bucket = any ($1::smallint[])
  and (lane_due_at is not null and inbox is null or lane_due_at is not null and inbox is not null)

-- name: show
select d.bucket, d.subscription_id, d.n, d.imsi, d.event, d.event_id, d.type, d.time, d.data, d.ends, d.status,
       d.created_at, d.queued_at, d.attempts, d.attempted_at, d.finished_at, d.last_status, d.last_error, s.sink
from delivery d
join subscription s on s.bucket = d.bucket and s.id = d.subscription_id and s.bucket = $1
where d.bucket = $1 and d.subscription_id = $2 and d.n = $3

-- name: attempts
select at, duration_ms, status, error, answer from delivery_attempt
where bucket = $1 and subscription_id = $2 and n = $3
order by at

-- name: queue_of
select bucket, id, account_id, sink, origin, protocol_settings, sealed_target, credential, signing_secrets, ended_at is not null as ended,
       lane_next, delivery_count
from subscription
where bucket = $1 and id = $2

-- name: head_of
select n, event_id, type, time, data, correlator, ends, created_at, queued_at, attempts
from delivery
where bucket = $1 and subscription_id = $2 and n = $3

-- name: lock_replayable
select s.bucket, s.id from subscription s
where s.bucket = any ($1::smallint[]) and ($2::text is null or s.id = $2)
  and (s.ended_reason is null or s.ended_reason in ('SUBSCRIPTION_EXPIRED', 'MAX_EVENTS_REACHED'))
  and exists (
      select 1 from delivery d
      where d.bucket = s.bucket and d.subscription_id = s.id and d.status <> 'PENDING'
        and ($3::int is null or d.n = $3)
        and ($4::timestamptz is null or d.created_at >= $4)
        and ($5::text is null or d.status = $5)
  )
order by s.bucket, s.id
for update of s

-- name: replay
update delivery
set status = 'PENDING', attempts = 0, queued_at = now(), finished_at = null
where bucket = any ($1::smallint[]) and subscription_id = any ($2::text[]) and status <> 'PENDING'
  and ($3::int is null or n = $3)
  and ($4::timestamptz is null or created_at >= $4)
  and ($5::text is null or status = $5)
returning bucket, subscription_id, n

-- name: reopen
update subscription s
set lane_next = least(s.lane_next, r.n), lane_due_at = case when s.paused_at is null then now() else 'infinity' end
from unnest($1::smallint[], $2::text[], $3::int[]) as r (bucket, id, n)
where s.bucket = r.bucket and s.id = r.id and s.bucket = any ($1::smallint[])

-- name: wake
select pg_notify('simwarden_delivery', '')

-- name: prune
delete from delivery where bucket = any ($1::smallint[]) and status <> 'PENDING' and created_at < $2 and finished_at < $2

-- name: prune_attempts
delete from delivery_attempt where bucket = any ($1::smallint[]) and at < $2

-- name: health
-- Of each subscription by its range of the primary key; what is kept bounds it (setting deliveries_kept_days).
select bucket, subscription_id,
       count(*) filter (where status = 'PENDING')::int as waiting,
       count(*) filter (where status = 'PENDING' and attempts > 0)::int as retrying,
       count(*) filter (where status = 'DELIVERED')::int as delivered,
       count(*) filter (where status = 'DEAD')::int as failed,
       max(finished_at) filter (where status = 'DELIVERED') as delivered_at,
       (array_agg(coalesce(last_error, 'HTTP ' || last_status) order by attempted_at desc nulls last)
           filter (where status in ('PENDING', 'DEAD') and (last_error is not null or last_status >= 300)))[1] as last_error,
       max(attempted_at) filter (where status in ('PENDING', 'DEAD') and (last_error is not null or last_status >= 300))
           as last_error_at
from delivery
where bucket = any ($1::smallint[]) and subscription_id = any ($2::text[])
group by bucket, subscription_id
