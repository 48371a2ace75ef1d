-- Where gateways and cells are, and which SIMs are to be looked at again because that changed.

-- name: lock
select id, name from gateway where name = any ($1::text[]) order by id for update

-- name: set
update gateway g
set latitude = i.latitude, longitude = i.longitude, radius = i.radius
from unnest($1::int[], $2::float8[], $3::float8[], $4::float8[]) as i (id, latitude, longitude, radius)
where g.id = i.id
  and (g.latitude is distinct from i.latitude or g.longitude is distinct from i.longitude
       or g.radius is distinct from i.radius)
returning g.id

-- name: review_gateways
-- A SIM that waits is written again, so that whoever looks at it now looks again after this commit.
insert into place_review (bucket, imsi, asked_at)
select bucket, imsi, $3 from sim where bucket = any ($1::smallint[]) and seen_gateway = any ($2::int[])
order by bucket, imsi
on conflict (bucket, imsi) do update set asked_at = excluded.asked_at

-- name: review_cells
insert into place_review (bucket, imsi, asked_at)
select bucket, imsi, $3 from sim_place
where bucket = any ($1::smallint[])
  and (cell = any (string_to_array($2, e'\n')) or cell_area = any (string_to_array($2, e'\n')))
order by bucket, imsi
on conflict (bucket, imsi) do update set asked_at = excluded.asked_at

-- name: are_sims_in_cells
select exists (select 1 from sim_place where bucket = any ($1::smallint[]) and cell is not null)

-- name: review
insert into place_review (bucket, imsi, asked_at) values ($1, $2, $3)
on conflict (bucket, imsi) do update set asked_at = excluded.asked_at

-- name: take
delete from place_review
where bucket = $1
  and ctid = any (array(select ctid from place_review where bucket = $1 order by imsi limit $2 for update skip locked))
returning imsi

-- name: waiting
select distinct bucket from place_review where bucket = any ($1::smallint[]) order by bucket

-- name: add_cells
insert into cell as c (key, latitude, longitude, radius)
select i.key, i.latitude, i.longitude, i.radius
from unnest(string_to_array($1, e'\n'), string_to_array($2, e'\n')::float8[], string_to_array($3, e'\n')::float8[],
            string_to_array($4, e'\n')::float8[]) as i (key, latitude, longitude, radius)
order by i.key
on conflict (key) do update
set latitude = excluded.latitude, longitude = excluded.longitude, radius = excluded.radius
where (c.latitude, c.longitude, c.radius) is distinct from (excluded.latitude, excluded.longitude, excluded.radius)
returning key

-- name: cell
select latitude, longitude, radius from cell where key = $1
