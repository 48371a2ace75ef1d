-- Who works on which share of the buckets. Small tables, not distributed.

-- name: heartbeat
insert into lease_worker (role, owner, until) values ($1, $2, now() + $3::interval)
on conflict (role, owner) do update set until = excluded.until

-- name: inherit
with gone as (
    delete from lease_worker where role = $1 and owner = any ($3::text[])
)
update lease set owner = $2 where role = $1 and owner = any ($3::text[])

-- name: leave
delete from lease_worker where role = $1 and owner = $2

-- name: forget
delete from lease_worker where role = $1 and until < now() - interval '1 hour'

-- name: workers
select owner from lease_worker where role = $1 and until > now() order by owner

-- name: shorten
with workers as (
    update lease_worker set until = now() + $2::interval where role = $1 and until > now() + 10 * $2::interval
)
update lease set until = now() + $2::interval where role = $1 and until > now() + 10 * $2::interval

-- name: prepare
insert into lease (role, share, owner, until)
select $1, share, '', '-infinity' from generate_series(0, $2::int - 1) as share
on conflict (role, share) do nothing

-- name: lock
select share, owner, until > now() as held from lease where role = $1 and share < $2 order by share for update

-- name: take
update lease set owner = $2, until = now() + $3::interval where role = $1 and share = any ($4::smallint[])

-- name: release
update lease set until = now() where role = $1 and owner = $2 and share = any ($3::smallint[])
