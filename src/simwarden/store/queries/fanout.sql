-- Events on their way into many queues. Every statement carries the bucket.

-- name: survey
-- Which of these SIMs somebody subscribed to, and whether so many did, or earlier events are still on their way, that
-- the queues are written behind the commit. Nothing is locked. $3: null for subscriptions to any event.
select i.bucket, i.imsi,
       l.count > $4 or exists (select 1 from fan_out f where f.bucket = i.bucket and f.imsi = i.imsi) as later
from unnest($1::smallint[], $2::text[]) as i (bucket, imsi)
cross join lateral (
    select count(*) from (
        select 1 from subscription s
        where s.bucket = i.bucket and s.imsi = i.imsi and s.ended_at is null
          and ($3::text[] is null or s.topic = any ($3))
        limit $4 + 1
    ) listening
) l
where l.count > 0

-- name: defer
insert into fan_out (bucket, imsi, first, n, account_id, ends)
select * from unnest($1::smallint[], $2::text[], $3::int[], $4::int[], $5::text[], $6::boolean[])
on conflict (bucket, imsi, n) do update set ends = fan_out.ends or excluded.ends

-- name: wake
select pg_notify('simwarden_fan_out', '')

-- name: turns
-- One SIM of each account, the one that has waited longest.
with recursive a (account_id) as (
    (select account_id from fan_out order by account_id limit 1)
    union all
    select (select f.account_id from fan_out f where f.account_id > a.account_id order by f.account_id limit 1)
    from a where a.account_id is not null
)
select l.bucket, l.imsi, a.account_id
from a
cross join lateral (
    select f.bucket, f.imsi from fan_out f
    where f.account_id = a.account_id and f.bucket = any ($1::smallint[])
    order by f.created_at
    limit 1
) l
where a.account_id is not null
limit $2

-- name: lock
select n, first, ends, created_at from fan_out where bucket = $1 and imsi = $2 order by n for update

-- name: waiting
-- Of subscriptions, the events that are still to be written into their queues.
select f.bucket, f.imsi, e.n, e.type, e.at, e.parent, e.cause, e.data
from fan_out f
join event e on e.bucket = f.bucket and e.imsi = f.imsi and e.n between f.first and f.n and e.bucket = any ($1::smallint[])
where (f.bucket, f.imsi) in (select * from unnest($1::smallint[], $2::text[]))
order by f.bucket, f.imsi, e.n

-- name: events
select n, type, at, parent, cause, data from event
where bucket = $1 and imsi = $2 and n between $3 and $4
order by n

-- name: lock_untold
select * from subscription
where bucket = $1 and imsi = $2 and ended_at is null and told_event < $3 and ($4::text[] is null or topic = any ($4))
order by bucket, id
limit $5
for update

-- name: done
delete from fan_out where bucket = $1 and imsi = $2 and n <= $3

-- name: backlog
select count(*), coalesce(extract(epoch from now() - min(created_at)), 0)::float8 as age
from fan_out where bucket = any ($1::smallint[])
