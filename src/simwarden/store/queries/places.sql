-- Where SIMs are. Of gateways and their slots, and of cells, there are no rows by bucket.

-- name: traces
-- $1: the buckets that are concerned.
select i.ord,
       g.id as gateway, g.latitude as site_latitude, g.longitude as site_longitude, g.radius as site_radius,
       g.status_at, g.report_interval, p.gateway_id is not null as has_slot, p.changed_at, p.reported_at,
       coalesce(p.imsi = i.imsi or (p.imsi is null and p.iccid = i.iccid), false) as shown,
       coalesce(c.key, a.key) as cell, l.cell_at,
       coalesce(c.latitude, a.latitude) as cell_latitude, coalesce(c.longitude, a.longitude) as cell_longitude,
       coalesce(c.radius, a.radius) as cell_radius,
       l.latitude, l.longitude, l.radius,
       l.source as noted_source, l.ref as noted_ref, l.changes, l.changed_at as noted_at
from unnest(string_to_array($2, e'\n')::smallint[], string_to_array($3, e'\n'), string_to_array($4, e'\n', ''),
            string_to_array($5, e'\n', '')::int[], string_to_array($6, e'\n', '')::int[],
            string_to_array($7, e'\n', '')::int[])
     with ordinality as i (bucket, imsi, iccid, gateway, port, slot, ord)
left join sim_place l on l.bucket = i.bucket and l.imsi = i.imsi and l.bucket = any ($1::smallint[])
left join gateway g on g.id = i.gateway and g.latitude is not null
left join gateway_port p on p.gateway_id = i.gateway and p.port = i.port and p.slot = i.slot
left join cell c on c.key = l.cell
left join cell a on a.key = l.cell_area
where g.id is not null or l.imsi is not null

-- name: note
insert into sim_place (bucket, imsi, source, ref, changes, changed_at)
select * from unnest($1::smallint[], $2::text[], $3::text[], $4::text[], $5::int[], $6::timestamptz[])
on conflict (bucket, imsi) do update
set source = excluded.source, ref = excluded.ref, changes = excluded.changes, changed_at = excluded.changed_at

-- name: add_changes
insert into place_change (bucket, imsi, n, at, source, ref, latitude, longitude, radius)
select * from unnest($1::smallint[], $2::text[], $3::smallint[], $4::timestamptz[], $5::text[], $6::text[],
                     $7::float8[], $8::float8[], $9::float8[])
on conflict (bucket, imsi, n) do update
set at = excluded.at, source = excluded.source, ref = excluded.ref, latitude = excluded.latitude,
    longitude = excluded.longitude, radius = excluded.radius

-- name: history
select at, source, ref, latitude, longitude, radius from place_change
where bucket = $1 and imsi = $2 and at < $3
order by at desc, n desc
limit $4

-- name: new_cells
-- Which of these reports say something else, or something much newer, than what is known. $1: the buckets.
select i.ord
from unnest($1::smallint[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::text[], $7::timestamptz[])
     with ordinality as i (bucket, imsi, cell, cell_area, at, imei, since, ord)
join sim s on s.bucket = i.bucket and s.imsi = i.imsi and s.bucket = any ($1::smallint[]) /* shards */
left join sim_place p on p.bucket = i.bucket and p.imsi = i.imsi and p.bucket = any ($1::smallint[]) /* shards */
where (p.cell_at is null
       or i.at > p.cell_at and (p.cell is distinct from i.cell or p.cell_area is distinct from i.cell_area)
       or i.at >= p.cell_at + $8::interval)
  and (s.seen_at is null or i.since is null or s.seen_at < i.since or s.seen_imei is null or s.seen_imei = i.imei)

-- name: save_cells
insert into sim_place as p (bucket, imsi, cell, cell_area, cell_at)
select * from unnest($1::smallint[], $2::text[], $3::text[], $4::text[], $5::timestamptz[])
on conflict (bucket, imsi) do update
set cell = excluded.cell, cell_area = excluded.cell_area, cell_at = excluded.cell_at

-- name: unknown_cells
select i.cell from unnest($1::text[], $2::text[]) as i (cell, cell_area)
where not exists (select 1 from cell c where c.key = i.cell)
  and not exists (select 1 from cell c where c.key = i.cell_area)

-- name: forget
with changes as (
    delete from place_change c using unnest($1::smallint[], $2::text[]) as i (bucket, imsi)
    where c.bucket = i.bucket and c.imsi = i.imsi and c.bucket = any ($1::smallint[])
), reviews as (
    delete from place_review r using unnest($1::smallint[], $2::text[]) as i (bucket, imsi)
    where r.bucket = i.bucket and r.imsi = i.imsi and r.bucket = any ($1::smallint[])
)
delete from sim_place p using unnest($1::smallint[], $2::text[]) as i (bucket, imsi)
where p.bucket = i.bucket and p.imsi = i.imsi and p.bucket = any ($1::smallint[])

-- name: prune_changes
-- Of a SIM whose newest place is among them it is forgotten as well which one it was.
with gone as (
    delete from place_change where bucket = $1 and at < $2
      and ctid = any (array(select ctid from place_change where bucket = $1 and at < $2 limit $3 for update skip locked))
    returning imsi
), noted as (
    update sim_place set source = null, ref = null, changed_at = null
    where bucket = $1 and imsi in (select imsi from gone) and changed_at < $2
)
select count(*) from gone

-- name: prune_cells
with gone as (
    update sim_place set cell = null, cell_area = null, cell_at = null
    where bucket = $1 and cell is not null and cell_at < $2
      and ctid = any (array(select ctid from sim_place where bucket = $1 and cell is not null and cell_at < $2 limit $3
                            for update skip locked))
    returning imsi
)
select count(*) from gone

-- name: set_address
insert into sim_place (bucket, imsi, latitude, longitude, radius) values ($1, $2, $3, $4, $5)
on conflict (bucket, imsi) do update
set latitude = excluded.latitude, longitude = excluded.longitude, radius = excluded.radius

-- name: add_addresses
insert into sim_place (bucket, imsi, latitude, longitude, radius)
select * from unnest($1::smallint[], $2::text[], $3::float8[], $4::float8[], $5::float8[])
on conflict (bucket, imsi) do update
set latitude = excluded.latitude, longitude = excluded.longitude, radius = excluded.radius

-- name: address
select latitude, longitude, radius from sim_place where bucket = $1 and imsi = $2 and latitude is not null
