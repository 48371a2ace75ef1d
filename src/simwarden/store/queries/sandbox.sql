-- name: write_down
insert into sandbox_change (bucket, subscription_id, due_at, imei)
select $1, $2, i.due_at, i.imei from unnest($3::timestamptz[], $4::text[]) as i (due_at, imei)

-- name: next_due
select extract(epoch from min(due_at) - now())::float8 from sandbox_change where bucket = any ($1::smallint[])

-- name: due
select bucket, subscription_id, due_at, imei from sandbox_change
where bucket = any ($1::smallint[]) and due_at <= $2
order by due_at
limit $3

-- name: played
delete from sandbox_change where bucket = $1 and subscription_id = $2 and due_at = $3
