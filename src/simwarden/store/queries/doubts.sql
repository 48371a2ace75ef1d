-- name: last_device_event
select n, type, at, parent, cause, data from event
where bucket = $1 and imsi = $2 and n >= $3 and type in ('DEVICE_SEEN', 'DEVICE_CHANGED')
order by n desc limit 1

-- name: add
insert into gateway_doubt as d (gateway_id, kind, at, last_at, count, message, imsi, port, slot, imei, claim, against)
select gateway_id, kind, at, at, count, message, imsi, port, slot, imei, claim, against
from unnest($1::int[], $2::text[], $3::timestamptz[], $4::bigint[], $5::text[], $6::text[], $7::int[], $8::int[],
            $9::text[], $10::bytea[], $11::int[])
     as i (gateway_id, kind, at, count, message, imsi, port, slot, imei, claim, against)
on conflict (gateway_id, kind, imsi, port, slot) where outcome is null do update
set count = d.count + excluded.count, last_at = greatest(d.last_at, excluded.last_at), message = excluded.message,
    imei = excluded.imei, claim = excluded.claim, against = excluded.against
returning id

-- name: prune
delete from gateway_doubt where gateway_id = $1 and id <= (
    select id from gateway_doubt where gateway_id = $1 order by id desc offset $2 limit 1)

-- name: ask
insert into gateway_poll as p (gateway_id, due_at)
select g.id, $2 from gateway g where g.id = any ($1::int[]) and g.command_url is not null
order by g.id
on conflict (gateway_id) do update
set due_at = least(p.due_at, greatest(excluded.due_at, p.polled_at + $3::interval))
returning gateway_id

-- name: open_of
select id, gateway_id, kind, imsi, imei, port, slot, claim, against from gateway_doubt
where outcome is null and last_at <= $2 and gateway_id = $1

-- name: open_against
select id, gateway_id, kind, imsi, imei, port, slot, claim, against from gateway_doubt
where outcome is null and last_at <= $2 and against = $1

-- name: settle
update gateway_doubt d set outcome = i.outcome, settled_at = $3
from unnest($1::bigint[], $2::text[]) as i (id, outcome)
where d.id = i.id and d.outcome is null

-- name: answered
update gateway_poll p
set polled_at = $2::timestamptz, attempts = 0, claimed_until = null,
    due_at = case when exists (select 1 from gateway_doubt d
                               where d.outcome is null and (d.gateway_id = $1 or d.against = $1)) then $2::timestamptz + $3::interval end
where p.gateway_id = $1

-- name: claim
update gateway_poll p
set claimed_until = $1::timestamptz + $2::interval
from (select gateway_id from gateway_poll w
      where due_at <= $1::timestamptz and (claimed_until is null or claimed_until <= $1::timestamptz or claimed_until > $1::timestamptz + 2 * $2::interval)
        and not exists (select 1 from gateway g where g.id = w.gateway_id and g.out_of_service_at is not null)
      order by due_at limit $3 for update skip locked) as due
where p.gateway_id = due.gateway_id
returning p.gateway_id, p.attempts

-- name: next_due
select min(greatest(due_at, claimed_until)) from gateway_poll w
where due_at is not null
  and not exists (select 1 from gateway g where g.id = w.gateway_id and g.out_of_service_at is not null)

-- name: unanswered
update gateway_poll
set polled_at = $2, attempts = attempts + 1, claimed_until = null, due_at = $3
where gateway_id = $1

-- name: give_up
update gateway_doubt set outcome = 'UNANSWERED', settled_at = $2
where outcome is null and (gateway_id = $1 or against = $1)

-- name: forget
delete from gateway_poll where gateway_id = $1

-- name: list
select d.*, g.name as gateway, o.name as against_name
from gateway_doubt d join gateway g on g.id = d.gateway_id left join gateway o on o.id = d.against
where ($1::text is null or g.name = $1) and ($2::bigint is null or d.id < $2)
order by d.id desc limit $3
