-- name: write_down
insert into sandbox_change (bucket, subscription_id, due_at, data)
select $1, $2, i.due_at, i.data from unnest($3::timestamptz[], $4::jsonb[]) as i (due_at, data)

-- name: next_due
select extract(epoch from min(due_at) - now())::float8 from sandbox_change where bucket = any ($1::smallint[])

-- name: due
select bucket, subscription_id, due_at, imei, data from sandbox_change
where bucket = any ($1::smallint[]) and due_at <= $2
order by due_at
limit $3

-- name: played
delete from sandbox_change where bucket = $1 and subscription_id = $2 and due_at = $3
