-- Operators: what their keys may do.

-- name: grants
select app_key, name, role, manages from application where app_key = any ($1::text[]) and account_id = 'operator'

-- name: change_key
-- Every process drops what it remembers of the key as soon as this commits.
with changed as (
    update application set role = $2 where app_key = $1 and account_id = 'operator' and revoked_at is null
    returning app_key
)
select pg_notify('simwarden_application', changed.app_key), changed.app_key from changed
