-- name: of_sims
select a.* from attachment a
join unnest($1::smallint[], $2::text[]) as i (bucket, imsi) on a.bucket = i.bucket and a.imsi = i.imsi
where a.bucket = any ($1::smallint[])

-- name: at_slots
select a.bucket, a.imsi from attachment a
join unnest($1::int[], $2::int[], $3::int[]) as i (gateway_id, port, slot)
  on a.gateway_id = i.gateway_id and a.port = i.port and a.slot = i.slot

-- name: save
insert into attachment (bucket, imsi, gateway_id, port, slot, current, desired, applied, status, event, since, attempts,
                        next_attempt_at, commanded_at, last_error)
select * from unnest($1::smallint[], $2::text[], $3::int[], $4::int[], $5::int[], $6::boolean[], $7::smallint[],
                     $8::smallint[], $9::text[], $10::int[], $11::timestamptz[], $12::int[], $13::timestamptz[],
                     $14::timestamptz[], $15::text[])
on conflict (bucket, imsi, gateway_id, port, slot) do update
set current = excluded.current, desired = excluded.desired, applied = excluded.applied, status = excluded.status,
    event = excluded.event, since = excluded.since, attempts = excluded.attempts,
    next_attempt_at = excluded.next_attempt_at, commanded_at = excluded.commanded_at, last_error = excluded.last_error

-- name: drop
delete from attachment a
using unnest($1::smallint[], $2::text[], $3::int[], $4::int[], $5::int[]) as i (bucket, imsi, gateway_id, port, slot)
where a.bucket = i.bucket and a.imsi = i.imsi and a.gateway_id = i.gateway_id and a.port = i.port and a.slot = i.slot
  and a.bucket = any ($1::smallint[])

-- name: due
select a.bucket, a.imsi, a.gateway_id from attachment a
where a.bucket = any ($1::smallint[]) and a.next_attempt_at <= $2 and a.gateway_id <> all ($4::int[])
  and not exists (select 1 from gateway g where g.id = a.gateway_id and g.out_of_service_at is not null)
order by a.next_attempt_at limit $3

-- name: next_due
select min(next_attempt_at) as first, max(next_attempt_at) as last
from attachment where bucket = any ($1::smallint[]) and next_attempt_at > $2

-- name: recall
update attachment set next_attempt_at = $2
where bucket = any ($1::smallint[]) and next_attempt_at > $3

-- name: hurry
with waiting as (
    select bucket, imsi, gateway_id, port, slot from attachment
    where gateway_id = any ($1::int[]) and next_attempt_at > $2 and last_error is not null
    order by bucket, imsi, gateway_id, port, slot  -- as everybody else locks them
    for update
)
update attachment a
set next_attempt_at = greatest($2, coalesce(a.commanded_at, $2) + interval '1 second')
from waiting w
where a.bucket = w.bucket and a.imsi = w.imsi and a.gateway_id = w.gateway_id and a.port = w.port and a.slot = w.slot

-- name: wake_enforcement
select pg_notify('simwarden_enforcement', '')
