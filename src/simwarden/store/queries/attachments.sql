-- name: of_sims
select a.* from attachment a
join unnest($1::smallint[], $2::text[]) as i (bucket, imsi) on a.bucket = i.bucket and a.imsi = i.imsi
where a.bucket = any ($1::smallint[])

-- name: at_targets
select a.bucket, a.imsi from attachment a
join unnest($1::int[], $2::text[]) as i (element_id, target) on a.element_id = i.element_id and a.target = i.target

-- name: settled_at
-- Where sessions were ended nothing is to be done when the bar ends, and applied stays: until a session begins again.
select a.element_id, a.target,
       a.desired = 0 and a.status = 'APPLIED' and coalesce(a.applied, 0) = 0 as settled from attachment a
join unnest($1::smallint[], $2::text[], $3::int[], $4::text[]) as i (bucket, imsi, element_id, target)
  on a.bucket = i.bucket and a.imsi = i.imsi and a.element_id = i.element_id and a.target = i.target
  and a.bucket = any ($1::smallint[]) /* shards */

-- name: of_element
select a.* from attachment a
where a.bucket = any ($1::smallint[]) and a.element_id = $2 and (a.desired <> 0 or a.status <> 'APPLIED')
order by a.bucket, a.imsi, a.target

-- name: lingering
select a.imsi from attachment a
where a.bucket = any ($1::smallint[]) and a.element_id = $2 and a.lingering <> 0
order by a.since limit $3

-- name: save
insert into attachment (bucket, imsi, element_id, target, groups, current, desired, applied, phase, status, event, since,
                        attempts, next_attempt_at, commanded_at, last_error, held, lingering, device, device_since)
select * from unnest($1::smallint[], $2::text[], $3::int[], $4::text[], $5::smallint[], $6::boolean[], $7::smallint[],
                     $8::smallint[], $9::text[], $10::text[], $11::int[], $12::timestamptz[], $13::int[],
                     $14::timestamptz[], $15::timestamptz[], $16::text[], $17::smallint[], $18::smallint[], $19::text[],
                     $20::timestamptz[])
on conflict (bucket, imsi, element_id, target) do update
set groups = excluded.groups, current = excluded.current, desired = excluded.desired, applied = excluded.applied,
    phase = excluded.phase, status = excluded.status, event = excluded.event, since = excluded.since,
    attempts = excluded.attempts, next_attempt_at = excluded.next_attempt_at, commanded_at = excluded.commanded_at,
    last_error = excluded.last_error, held = excluded.held, lingering = excluded.lingering, device = excluded.device,
    device_since = excluded.device_since

-- name: drop
delete from attachment a
using unnest($1::smallint[], $2::text[], $3::int[], $4::text[]) as i (bucket, imsi, element_id, target)
where a.bucket = i.bucket and a.imsi = i.imsi and a.element_id = i.element_id and a.target = i.target
  and a.bucket = any ($1::smallint[])

-- name: due
select a.bucket, a.imsi, a.element_id from attachment a
where a.bucket = any ($1::smallint[]) and a.next_attempt_at <= $2 and a.element_id <> all ($4::int[])
  and not exists (select 1 from gateway g where g.id = a.element_id and g.out_of_service_at is not null)
order by a.next_attempt_at limit $3

-- name: next_due
select min(next_attempt_at) as first, max(next_attempt_at) as last
from attachment where bucket = any ($1::smallint[]) and next_attempt_at > $2

-- name: clamp_retries
update attachment set next_attempt_at = $2
where bucket = any ($1::smallint[]) and next_attempt_at > $3

-- name: retry_now
with waiting as (
    select bucket, imsi, element_id, target from attachment
    where element_id = any ($1::int[]) and next_attempt_at > $2 and (last_error is not null or phase = 'SENT')
    order by bucket, imsi, element_id, target  -- as everybody else locks them
    for update
)
update attachment a
set next_attempt_at = case when a.commanded_at > $3 then $4 else $2 end
from waiting w
where a.bucket = w.bucket and a.imsi = w.imsi and a.element_id = w.element_id and a.target = w.target

-- name: wake_enforcement
select pg_notify('simwarden_enforcement', '')

-- name: page_of_element
select a.* from attachment a
where a.bucket = any ($1::smallint[]) and a.element_id = $2 and a.target > $3
order by a.target
limit $4
