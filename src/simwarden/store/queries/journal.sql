-- Calls that failed: a list that grows at the end and is pruned at the beginning.

-- name: add_requests
insert into request_log (at, correlator, api, operation, status, code, account_id, app_key, duration_ms)
select * from unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::int[], $6::text[], $7::text[],
                     $8::text[], $9::real[])

-- name: requests
select id, at, correlator, api, operation, status, code, account_id, app_key, duration_ms from request_log
where id < $1
  and ($2::text is null or correlator = $2)
  and ($3::text is null or account_id = $3)
  and ($4::text is null or app_key = $4)
  and ($5::text is null or api = $5)
  and ($6::int is null or status >= $6)
  and ($7::timestamptz is null or at >= $7)
order by id desc limit $8

-- name: prune_requests
delete from request_log where id in (select id from request_log where at < $1 order by at limit $2)
