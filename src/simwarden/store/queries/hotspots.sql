-- Signs of fraud by place, and the places where there are too many.

-- name: add_signs
insert into fraud_sign (bucket, imsi, n, at, type, gateway_id)
select * from unnest($1::smallint[], $2::text[], $3::int[], $4::timestamptz[], $5::text[], $6::int[])
on conflict (bucket, imsi, n) do nothing

-- name: signs
-- SIMs that showed a sign, each once for a gateway.
select distinct bucket, imsi, gateway_id, type from fraud_sign
where bucket = any ($1::smallint[]) and at > $2 and at <= $3

-- name: sims_with_sign
-- Each SIM once in each window of so many hours.
select count(*) from (
    select distinct bucket, imsi, floor(extract(epoch from at) / (3600 * $4::int)) as nth from fraud_sign
    where bucket = any ($1::smallint[]) and at > $2 and at <= $3
) s

-- name: sites
select id, name, latitude, longitude, radius from gateway where latitude is not null

-- name: cards
select gateway_id, count(*) from gateway_port where imsi is not null and gateway_id = any ($1::int[]) group by gateway_id

-- name: open
select * from hotspot where ended_at is null

-- name: recent
select * from hotspot where ended_at is null or ended_at > $1 order by since desc, place, hours limit $2

-- name: save
insert into hotspot (place, hours, since, sims, with_sign, expected, chance, at, calm_since, ended_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
on conflict (place, hours, since) do update
set sims = excluded.sims, with_sign = excluded.with_sign, expected = excluded.expected, chance = excluded.chance,
    at = excluded.at, calm_since = excluded.calm_since, ended_at = excluded.ended_at

-- name: forget
delete from fraud_sign t
using unnest($1::smallint[], $2::text[]) as i (bucket, imsi)
where t.bucket = i.bucket and t.imsi = i.imsi and t.bucket = any ($1::smallint[])

-- name: prune_signs
delete from fraud_sign where bucket = $1 and at < $2
  and ctid = any (array(select ctid from fraud_sign where bucket = $1 and at < $2 limit $3 for update skip locked))

-- name: prune
delete from hotspot where ended_at < $1
