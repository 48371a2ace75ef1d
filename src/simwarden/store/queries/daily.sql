-- name: add
-- In one order, so that two do not deadlock.
insert into traffic_day as t (bucket, imsi, day, kind, direction, zone, prefix, count, seconds)
select i.bucket, i.imsi, i.day, i.kind, i.direction, i.zone, coalesce(i.prefix, ''), i.count, i.seconds
from unnest(string_to_array($1, e'\n')::smallint[], string_to_array($2, e'\n'), string_to_array($3, e'\n')::date[],
            string_to_array($4, e'\n'), string_to_array($5, e'\n'), string_to_array($6, e'\n'),
            string_to_array($7, e'\n'), string_to_array($8, e'\n')::bigint[], string_to_array($9, e'\n')::bigint[])
     as i (bucket, imsi, day, kind, direction, zone, prefix, count, seconds)
order by i.bucket, i.imsi, i.day, i.kind, i.direction, i.zone, i.prefix
on conflict (bucket, imsi, day, kind, direction, zone, prefix) do update
set count = t.count + excluded.count, seconds = t.seconds + excluded.seconds

-- name: forget
delete from traffic_day t
using unnest($1::smallint[], $2::text[]) as i (bucket, imsi)
where t.bucket = i.bucket and t.imsi = i.imsi and t.bucket = any ($1::smallint[])

-- name: prune
delete from traffic_day where bucket = $1 and day < $2
  and ctid = any (array(select ctid from traffic_day where bucket = $1 and day < $2 limit $3 for update skip locked))

-- name: of_sim
-- Since when a SIM is counted, and the first day with anything; with each day on which there was something with the hotzones,
-- and of each kind the last day with anything at all. One row at least, where the SIM is registered.
with s as materialized (
    select greatest(created_at, $3) as since,
           (select min(t.day) from traffic_day t where t.bucket = $1 and t.imsi = $2) as first_day
    from sim where bucket = $1 and imsi = $2
), t as materialized (
    select day, kind, direction, zone, count, (zone = any ($6::text[]) or prefix ^@ any ($7::text[])) as is_hot
    from traffic_day
    where bucket = $1 and imsi = $2 and count > 0
      and day between greatest($4::date, (select (since at time zone 'utc')::date from s)) and $5
)
select s.since, s.first_day, d.day, d.kind, d.direction, d.zone, d.hot
from s left join (
    select day, kind, direction, zone, sum(count)::bigint as hot from t where is_hot group by day, kind, direction, zone
    union all
    select max(day), kind, min(direction), '', 0 from t group by kind
) d on true

-- name: like_it
-- SIMs of an account with the same model of device, among the 250 on either side by IMSI, which mostly came together.
with near as (
    (select bucket, imsi, seen_imei, created_at from sim
     where bucket = any ($1::smallint[]) and account_id = $2 and imsi > $3 order by imsi limit 250)
    union all
    (select bucket, imsi, seen_imei, created_at from sim
     where bucket = any ($1::smallint[]) and account_id = $2 and imsi < $3 order by imsi desc limit 250)
)
select bucket, imsi from near where left(seen_imei, 8) = $4 and created_at < $5 order by imsi limit 100

-- name: days_of_all
select imsi, day,
       coalesce(sum(count) filter (where zone = any ($5::text[]) or prefix ^@ any ($6::text[])), 0)::bigint as hot
from traffic_day
where bucket = any ($1::smallint[]) and imsi = any ($2::text[]) and day between $3 and $4
  and kind = any ($7::text[]) and direction = any ($8::text[])
group by imsi, day

-- name: counting_began
select applied_at from schema_migration where name = $1
