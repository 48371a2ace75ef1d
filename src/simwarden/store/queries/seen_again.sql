-- SIMs that are seen where they were.

-- name: hold
-- Those of which nothing is decided by their being seen again, locked in the order of `lock`.
select s.imsi from sim s
join unnest($1::smallint[], string_to_array($2, e'\n'), $3::timestamptz[], string_to_array($4, e'\n')::int[])
     as i (bucket, imsi, seen_at, event_count) on s.bucket = i.bucket and s.imsi = i.imsi
  and s.bucket = any ($1::smallint[]) /* shards */
where s.seen_at = i.seen_at and s.event_count = i.event_count and s.seen_gateway is null
  and not s.seen_unknown and coalesce(s.state, 'NEUTRAL') in ('NEUTRAL', 'LOCKED')
  and coalesce(s.bars, '[]') = '[]' and s.upheld_at is null
order by s.bucket, s.imsi
for update of s

-- name: renew
-- As `_seen` has it (domain/rules/device.py), of a device that goes on being there `since`.
update sim s set seen_at = i.at, seen_device_at = greatest(coalesce(s.seen_device_at, s.seen_at), i.since)
from unnest($1::smallint[], string_to_array($2, e'\n'), $3::timestamptz[], $4::timestamptz[])
     as i (bucket, imsi, at, since)
where s.bucket = i.bucket and s.imsi = i.imsi and s.bucket = any ($1::smallint[]) /* shards */

-- name: renew_cells
update sim_place p set cell_at = i.at
from unnest($1::smallint[], string_to_array($2, e'\n'), $3::timestamptz[]) as i (bucket, imsi, at)
where p.bucket = i.bucket and p.imsi = i.imsi and p.bucket = any ($1::smallint[]) /* shards */
