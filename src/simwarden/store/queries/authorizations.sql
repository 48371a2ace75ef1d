-- Requests over the back channel, and authorization codes.

-- name: add_request
insert into backchannel_request (digest, app_key, msisdn, scopes, purpose, created_at, expires_at, pause)
values ($1, $2, $3, $4, $5, $6, $7, $8)

-- name: count_open
select count(*) from (
    select 1 from backchannel_request where app_key = $1 and used_at is null and expires_at > $2 limit $3
) as open

-- name: count_requests
select count(*) from (select 1 from backchannel_request where app_key = $1 limit $2) as kept

-- name: count_codes
select count(*) from (select 1 from authorization_code where app_key = $1 limit $2) as kept

-- name: lock_request
select app_key, msisdn, scopes, purpose, created_at, expires_at, pause, polled_at, used_at
from backchannel_request where digest = $1 for update

-- name: polled
update backchannel_request set polled_at = $2, pause = $3 where digest = $1

-- name: use_request
update backchannel_request set used_at = $2 where digest = $1 and used_at is null returning app_key

-- name: forget_requests
delete from backchannel_request where expires_at < $1

-- name: open_requests
select r.app_key, r.msisdn, r.scopes, r.purpose, r.created_at, r.expires_at
from backchannel_request r
where r.app_key = $1 and r.used_at is null and r.expires_at > $2
order by r.created_at
limit $3

-- name: add_code
insert into authorization_code (digest, app_key, msisdn, scopes, purpose, redirect_uri, challenge, nonce, created_at, expires_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)

-- name: use_code
-- The first one who comes with it uses it up, whoever he is.
update authorization_code set used_at = $2, token_id = $3 where digest = $1 and used_at is null
returning app_key, msisdn, scopes, purpose, redirect_uri, challenge, nonce, created_at, expires_at

-- name: code_used
select app_key, token_id, expires_at from authorization_code where digest = $1

-- name: token_ended
update authorization_code set token_id = null where digest = $1

-- name: forget_codes
delete from authorization_code where expires_at < $1
