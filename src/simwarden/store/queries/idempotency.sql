-- name: find
select k.app_key, k.key, k.digest, k.status, k.body, k.secret
from idempotency k
join unnest($1::smallint[], $2::text[], $3::text[]) as i (bucket, app_key, key)
  on k.bucket = i.bucket and k.app_key = i.app_key and k.key = i.key
where k.bucket = any ($1::smallint[]) and k.created_at >= $4

-- name: claim
insert into idempotency as k (bucket, app_key, key, digest, created_at)
select i.bucket, i.app_key, i.key, i.digest, $5
from unnest($1::smallint[], $2::text[], $3::text[], $4::bytea[]) as i (bucket, app_key, key, digest)
order by i.bucket, i.app_key, i.key  -- as everybody else takes them
on conflict (bucket, app_key, key) do update
set digest = excluded.digest, status = null, body = null, secret = null, created_at = excluded.created_at
where k.created_at < $6
returning k.app_key, k.key

-- name: answer
update idempotency k
set status = i.status, body = i.body, secret = i.secret
from unnest($1::smallint[], $2::text[], $3::text[], $4::smallint[], $5::bytea[], $6::bytea[])
     as i (bucket, app_key, key, status, body, secret)
where k.bucket = i.bucket and k.app_key = i.app_key and k.key = i.key and k.bucket = any ($1::smallint[])

-- name: prune
delete from idempotency k
using (
    select bucket, app_key, key from idempotency
    where bucket = any ($1::smallint[]) and created_at < $2
    limit $3 for update skip locked
) as old
where k.bucket = old.bucket and k.app_key = old.app_key and k.key = old.key and k.bucket = any ($1::smallint[])
