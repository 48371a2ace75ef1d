-- Access tokens that are no good any more before they expire.

-- name: revoke
with added as (
    insert into token_revocation (app_key, name, before, expires_at) values ($1, $2, $3, $4)
    on conflict (app_key, name) do update
    set before = greatest(token_revocation.before, excluded.before),
        expires_at = greatest(token_revocation.expires_at, excluded.expires_at)
    returning app_key
)
select app_key, pg_notify('simwarden_application', app_key) as told from added

-- name: of_application
-- One row, which costs a worker a tenth of what some thousand cost: they are read anew after each revocation.
select array_agg(name) as names, array_agg(floor(extract(epoch from before))::bigint) as seconds
from token_revocation where app_key = $1 and expires_at > $2

-- name: count
select count(*) from token_revocation where app_key = $1 and expires_at > $2

-- name: count_consents
select count(*) from token_revocation where app_key = $1 and starts_with(name, $2) and expires_at > $3

-- name: drop_consents
delete from token_revocation where app_key = $1 and starts_with(name, $2) and name <> $2

-- name: forget
delete from token_revocation where expires_at < $1
