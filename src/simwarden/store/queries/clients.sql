-- Clients of the authorization server, and what they may use once.

-- name: client
select keys, keys_url, keys_only, grants, purposes, redirect_uris, asks_user, outside_id,
       signing_secret is not null as signs, previous_signing_until
from client where app_key = $1

-- name: ensure
insert into client (app_key) values ($1) on conflict do nothing

-- name: lock
select app_key from client where app_key = $1 for update

-- name: save
update client
set keys = $2, keys_url = $3, keys_only = $4, grants = $5, purposes = $6, redirect_uris = $7, asks_user = $8, outside_id = $9
where app_key = $1

-- name: by_outside_id
select app_key from client where outside_id = $1

-- name: signing_secrets
select c.signing_secret, c.previous_signing_secret, c.previous_signing_until
from client c where c.app_key = $1

-- name: set_signing_secret
-- Every process drops what it remembers of the application as soon as this commits.
with changed as (
    update client
    set previous_signing_secret = case when $3::timestamptz is null then null else signing_secret end,
        previous_signing_until = $3, signing_secret = $2
    where app_key = $1
    returning app_key
)
select app_key, pg_notify('simwarden_application', app_key) as told from changed

-- name: claim
-- Times are handed in: on a reference table none may be computed here.
insert into used_once (bucket, digest, expires_at) values ($1, $2, $3)
on conflict do nothing
returning bucket

-- name: forget_used
delete from used_once where bucket = any ($1::smallint[]) and expires_at < $2
