-- SIMs that network elements ask about.

-- name: at_elements
select s.*, i.element_id from sim s
join unnest($1::smallint[], $2::text[], $3::int[]) as i (bucket, imsi, element_id)
  on s.bucket = i.bucket and s.imsi = i.imsi
  and s.bucket = any ($1::smallint[]) /* shards */
join gateway g on g.id = i.element_id and (g.account_id is null or g.account_id = s.account_id)

-- name: compare
-- `news`: what `interesting` (sims.sql) and `new_cells` (places.sql) find of a sighting without a slot, times left out.
select s.*, i.ord,
       (s.seen_at is null or (i.imei is null) <> s.seen_unknown or i.imei <> s.seen_imei or s.seen_imei is null
        or (s.state = 'ARMED' and i.imei is not null) or s.upheld_at is not null
        or i.cell is not null and (p.cell_at is null or i.cell_at > p.cell_at
                                   and (p.cell is distinct from i.cell or p.cell_area is distinct from i.cell_area)))
       is true as news,
       (i.at >= s.seen_at + $9::interval or i.cell is not null and i.cell_at >= p.cell_at + $9::interval)
       is true as aged
from unnest($1::smallint[], $2::text[], $3::int[], $4::text[], $5::timestamptz[], $6::text[], $7::text[],
            $8::timestamptz[])
     with ordinality as i (bucket, imsi, element_id, imei, at, cell, cell_area, cell_at, ord)
join sim s on s.bucket = i.bucket and s.imsi = i.imsi and s.bucket = any ($1::smallint[]) /* shards */
left join sim_place p on p.bucket = i.bucket and p.imsi = i.imsi and p.bucket = any ($1::smallint[]) /* shards */
join gateway g on g.id = i.element_id and (g.account_id is null or g.account_id = s.account_id)
