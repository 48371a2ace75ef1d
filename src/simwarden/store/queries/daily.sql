-- name: add
-- Of SIMs that are registered, so that invented IMSIs leave nothing behind.
insert into traffic_day as t (bucket, imsi, day, kind, direction, zone, prefix, count, seconds)
select i.* from unnest($1::smallint[], $2::text[], $3::date[], $4::text[], $5::text[], $6::text[], $7::text[],
                       $8::bigint[], $9::bigint[])
     as i (bucket, imsi, day, kind, direction, zone, prefix, count, seconds)
join sim s on s.bucket = i.bucket and s.imsi = i.imsi and s.bucket = any ($1::smallint[])
on conflict (bucket, imsi, day, kind, direction, zone, prefix) do update
set count = t.count + excluded.count, seconds = t.seconds + excluded.seconds

-- name: forget
delete from traffic_day t
using unnest($1::smallint[], $2::text[]) as i (bucket, imsi)
where t.bucket = i.bucket and t.imsi = i.imsi and t.bucket = any ($1::smallint[])

-- name: prune
delete from traffic_day where bucket = $1 and day < $2
  and ctid = any (array(select ctid from traffic_day where bucket = $1 and day < $2 limit $3 for update skip locked))
