-- Signs of fraud by place, and the places where there are too many.

-- name: add_signs
-- Of SIMs that are in no gateway those that are in a cell, or an area of cells, whose position is known.
insert into fraud_sign (bucket, imsi, n, at, type, gateway_id, cell)
select i.bucket, i.imsi, i.n, i.at, i.type, i.gateway_id, coalesce(c.key, a.key)
from unnest($1::smallint[], $2::text[], $3::int[], $4::timestamptz[], $5::text[], $6::int[])
     as i (bucket, imsi, n, at, type, gateway_id)
left join sim_place l on l.bucket = i.bucket and l.imsi = i.imsi and i.gateway_id is null
                     and l.bucket = any ($1::smallint[])
left join cell c on c.key = l.cell
left join cell a on a.key = l.cell_area
where i.gateway_id is not null or c.key is not null or a.key is not null
on conflict (bucket, imsi, n) do nothing

-- name: signs
-- SIMs that showed a sign, each once for a gateway or a cell.
select distinct f.bucket, f.imsi, f.gateway_id, f.type, c.latitude, c.longitude from fraud_sign f
left join cell c on c.key = f.cell
where f.bucket = any ($1::smallint[]) and f.at > $2 and f.at <= $3

-- name: hexagons
-- In how many squares of a twentieth of a degree there are cells: no fewer than hexagons.
select count(*) from (select distinct floor(latitude * 20), floor(longitude * 20) from cell) s

-- name: cells_within
select c.key, c.latitude, c.longitude from cell c
join unnest($1::float8[], $2::float8[], $3::float8[], $4::float8[]) as b (south, north, west, east)
  on c.latitude between b.south and b.north and c.longitude between b.west and b.east

-- name: in_cells
select cell as key, count(*) from sim_place
where bucket = any ($1::smallint[]) and cell = any ($2::text[]) and cell_at >= $3 group by cell

-- name: in_areas
-- Of SIMs whose cell's own position is not known.
select p.cell_area as key, count(*) from sim_place p
left join cell c on c.key = p.cell
where p.bucket = any ($1::smallint[]) and p.cell_area = any ($2::text[]) and p.cell_at >= $3 and c.key is null
group by p.cell_area

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
