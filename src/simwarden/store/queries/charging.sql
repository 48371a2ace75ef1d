-- Charging sessions that are open.

-- name: open
insert into charging_session (bucket, ref, element_id, imsi, notify_uri, created_at, apn)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict (bucket, ref) do nothing

-- name: forget_oldest
-- Keep $4 of a SIM at an element: those that began last.
delete from charging_session
where bucket = $1 and imsi = $2 and element_id = $3 and ref in (
    select ref from charging_session where bucket = $1 and imsi = $2 and element_id = $3
    order by created_at desc, ref offset $4
)

-- name: find
select imsi, notify_uri, created_at, apn from charging_session where bucket = $1 and ref = $2 and element_id = $3

-- name: close
delete from charging_session where bucket = $1 and ref = $2 and element_id = $3

-- name: notify
select imsi, ref, notify_uri from charging_session
where bucket = any ($1::smallint[]) and imsi = any ($2::text[]) and element_id = $3

-- name: of_element
delete from charging_session where bucket = any ($1::smallint[]) and element_id = $2

-- name: forget
delete from charging_session where bucket = any ($1::smallint[]) and imsi = any ($2::text[])
