-- The operator's lists of devices. One table for the whole installation.

-- name: put
insert into listed_device as d (value, list, tacs, reason, since, source, added_at)
select value, list, case when first is null then null else int4range(first, last, '[]') end, reason, since, source, $8
from unnest($1::text[], $2::text[], $3::int[], $4::int[], $5::text[], $6::timestamptz[], $7::text[])
     as i (value, list, first, last, reason, since, source)
on conflict (value, list) do update
set reason = excluded.reason, since = excluded.since, source = excluded.source, added_at = excluded.added_at

-- name: size
-- What the planner thinks.
select reltuples from pg_class where oid = 'listed_device'::regclass

-- name: analyze
-- What was planned while the lists were short reads all of them.
analyze listed_device

-- name: remove
delete from listed_device where list = $1 and value = $2 returning value

-- name: count
select list, count(*) as n from listed_device group by list

-- name: page
select value, list, reason, since, source, added_at from listed_device
where ($1::text is null or list = $1) and ($2::text is null or (value, list) > ($2, $3::text))
order by value, list
limit $4

-- name: of_devices
-- Devices by themselves, and by the ranges that their models are in.
select i.imei, d.list from unnest($1::text[]) with ordinality as i (imei, ord) join listed_device d on d.value = i.imei
where i.ord between 1 and 1000000000 /* one plan */
union all
select i.imei, d.list from unnest($1::text[]) with ordinality as i (imei, ord)
join listed_device d on d.tacs @> left(i.imei, 8)::int
where i.ord between 1 and 1000000000 /* one plan */

-- name: entries
-- All that is said of one device.
select value, list, reason, since, source, added_at from listed_device where value = $1
union all
select value, list, reason, since, source, added_at from listed_device where tacs @> left($1, 8)::int
order by list, value
