-- SIMs that network elements ask about.

-- name: at_elements
select s.*, i.element_id from sim s
join unnest($1::smallint[], $2::text[], $3::int[]) as i (bucket, imsi, element_id)
  on s.bucket = i.bucket and s.imsi = i.imsi
  and s.bucket = any ($1::smallint[]) /* shards */
join gateway g on g.id = i.element_id and (g.account_id is null or g.account_id = s.account_id)
