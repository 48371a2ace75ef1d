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

-- name: counted_since
select greatest(s.created_at, $3) as since,
       (select min(t.day) from traffic_day t where t.bucket = $1 and t.imsi = $2) as first_day
from sim s where s.bucket = $1 and s.imsi = $2

-- name: days
-- What there was with the hotzones; and of each kind the last day with anything at all.
with t as materialized (
    select day, kind, direction, zone, sum(count)::bigint as count,
           coalesce(sum(count) filter (where zone = any ($5::text[]) or prefix ^@ any ($6::text[])), 0)::bigint as hot
    from traffic_day
    where bucket = $1 and imsi = $2 and day between $3 and $4
    group by day, kind, direction, zone
    having sum(count) > 0
)
select day, kind, direction, zone, count, hot from t where hot > 0
union all
select max(day), kind, min(direction), '', 1, 0 from t group by kind

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
