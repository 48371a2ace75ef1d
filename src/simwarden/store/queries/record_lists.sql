-- Messages and calls, the newest first: of a SIM, of an account's SIMs, of a gateway. Of a SIM nothing is listed of whoever
-- had its IMSI before.

-- name: names
select imsi, msisdn, nai from sim where bucket = any ($1::smallint[]) and imsi = any ($2::text[]) and account_id = $3

-- name: sms_of_sim
select r.* from sms r
where r.bucket = $1 and r.imsi = $2 and ($3::text is null or r.account_id = $3)
  and r.at >= $4 and r.at < $5 and ($6::text is null or r.direction = $6) and ($7::bytea is null or r.peer = $7)
  and r.at <= coalesce($8, 'infinity'::timestamptz)
  and ($8::timestamptz is null or (r.at, r.bucket, r.gateway_id, r.key) < ($8, $9::smallint, $10::int, $11::bytea))
  and not exists (select 1 from sim_deleted d where d.bucket = $1 and d.imsi = $2 and d.deleted_at >= r.received_at)
order by r.at desc, r.bucket desc, r.gateway_id desc, r.key desc limit $12

-- name: sms_of_account
select r.* from sms r
where r.bucket = any ($1::smallint[]) and r.account_id = $2 and ($3::int is null or r.gateway_id = $3)
  and r.at >= $4 and r.at < $5 and ($6::text is null or r.direction = $6) and ($7::bytea is null or r.peer = $7)
  and r.at <= coalesce($8, 'infinity'::timestamptz)
  and ($8::timestamptz is null or (r.at, r.bucket, r.gateway_id, r.key) < ($8, $9::smallint, $10::int, $11::bytea))
order by r.at desc, r.bucket desc, r.gateway_id desc, r.key desc limit $12

-- name: sms_of_gateway
select r.* from sms r
where r.bucket = any ($1::smallint[]) and r.gateway_id = $2 and (not $3::boolean or r.account_id is null)
  and r.at >= $4 and r.at < $5 and ($6::text is null or r.direction = $6) and ($7::bytea is null or r.peer = $7)
  and r.at <= coalesce($8, 'infinity'::timestamptz)
  and ($8::timestamptz is null or (r.at, r.bucket, r.gateway_id, r.key) < ($8, $9::smallint, $10::int, $11::bytea))
order by r.at desc, r.bucket desc, r.gateway_id desc, r.key desc limit $12

-- name: calls_of_sim
-- Those from before calls had a time of their own are listed here too.
select * from (
    select c.*, coalesce(c.at, c.begin_at, c.received_at) as listed_at from call_record c
    where c.bucket = $1 and c.imsi = $2 and ($3::text is null or c.account_id = $3)
) r
where r.listed_at >= $4 and r.listed_at < $5 and ($6::text is null or r.direction = $6)
  and ($7::bytea is null or r.peer = $7)
  and ($8::timestamptz is null
       or (r.listed_at, r.bucket, r.gateway_id, r.key) < ($8, $9::smallint, $10::int, $11::bytea))
  and not exists (select 1 from sim_deleted d where d.bucket = $1 and d.imsi = $2 and d.deleted_at >= r.received_at)
order by r.listed_at desc, r.bucket desc, r.gateway_id desc, r.key desc limit $12

-- name: calls_of_account
select r.* from call_record r
where r.bucket = any ($1::smallint[]) and r.account_id = $2 and ($3::int is null or r.gateway_id = $3)
  and r.at >= $4 and r.at < $5 and ($6::text is null or r.direction = $6) and ($7::bytea is null or r.peer = $7)
  and r.at <= coalesce($8, 'infinity'::timestamptz)
  and ($8::timestamptz is null or (r.at, r.bucket, r.gateway_id, r.key) < ($8, $9::smallint, $10::int, $11::bytea))
order by r.at desc, r.bucket desc, r.gateway_id desc, r.key desc limit $12

-- name: calls_of_gateway
select r.* from call_record r
where r.bucket = any ($1::smallint[]) and r.gateway_id = $2 and (not $3::boolean or r.account_id is null)
  and r.at >= $4 and r.at < $5 and ($6::text is null or r.direction = $6) and ($7::bytea is null or r.peer = $7)
  and r.at <= coalesce($8, 'infinity'::timestamptz)
  and ($8::timestamptz is null or (r.at, r.bucket, r.gateway_id, r.key) < ($8, $9::smallint, $10::int, $11::bytea))
order by r.at desc, r.bucket desc, r.gateway_id desc, r.key desc limit $12
