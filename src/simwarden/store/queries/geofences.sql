-- Geofences of subscriptions. Every statement carries the bucket. $1 of those on several rows: the buckets concerned.

-- name: add
insert into geofence (bucket, subscription_id, imsi, latitude, longitude, radius, enters, inside)
values ($1, $2, $3, $4, $5, $6, $7, $8)

-- name: of_sims
select g.imsi, g.subscription_id, g.latitude, g.longitude, g.radius, g.enters, g.inside
from unnest($2::smallint[], $3::text[]) as i (bucket, imsi)
join geofence g on g.bucket = i.bucket and g.imsi = i.imsi
join subscription s on s.bucket = g.bucket and s.id = g.subscription_id and s.ended_at is null
where g.bucket = any ($1::smallint[]) and s.bucket = any ($1::smallint[])

-- name: save
update geofence g
set inside = i.inside
from unnest($2::smallint[], $3::text[], $4::boolean[]) as i (bucket, id, inside)
where g.bucket = i.bucket and g.subscription_id = i.id and g.bucket = any ($1::smallint[])
