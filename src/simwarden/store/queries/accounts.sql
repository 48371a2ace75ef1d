-- name: insert_account
insert into account (id, name, settings, parent_id) values ($1, $2, $3, $4)
on conflict (name) do nothing
returning id, name, settings, created_at, parent_id

-- name: accounts
-- The operator's own account is no tenant: it is neither listed nor found.
select id, name, settings, created_at, parent_id from account where id <> 'operator' order by name

-- name: account
-- An id never looks like a name a person chose by accident: it carries a prefix. The id wins all the same.
select id, name, settings, created_at, parent_id from account where (id = $1 or name = $1) and id <> 'operator' order by (id = $1) desc limit 1

-- name: subtree
-- An account and those below it. The depth is bounded where accounts are made; here it keeps a mistake from running on.
with recursive below (id, depth) as (
    select id, 1 from account where id = $1
    union all
    select a.id, b.depth + 1 from account a join below b on a.parent_id = b.id where b.depth < 10
)
select id from below

-- name: depth
-- How many accounts there are from this one up, itself included.
with recursive above (id, parent_id, depth) as (
    select id, parent_id, 1 from account where id = $1
    union all
    select a.id, a.parent_id, b.depth + 1 from account a join above b on a.id = b.parent_id where b.depth < 10
)
select max(depth) from above

-- name: hold_parent
select id from account where id = $1 for key share

-- name: ensure_operator
insert into account (id, name) values ('operator', '(operator)') on conflict do nothing

-- name: account_settings
select id, settings from account where id = any ($1::text[])

-- name: change_account
update account set name = $2, settings = $3 where id = $1 and id <> 'operator' returning id, name, settings, created_at, parent_id

-- name: insert_application
insert into application (app_key, account_id, name, secret_hash, scopes, sandbox, daily_quota)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict (account_id, name) where revoked_at is null do nothing
returning app_key, account_id, name, scopes, created_at, revoked_at, sandbox, daily_quota, previous_secret_until, tokens_from

-- name: insert_operator_key
insert into application (app_key, account_id, name, secret_hash, scopes, role, manages)
values ($1, 'operator', $2, $3, $4, $5, $6)
on conflict (account_id, name) where revoked_at is null do nothing
returning app_key, account_id, name, scopes, created_at, revoked_at, sandbox, daily_quota, previous_secret_until, tokens_from

-- name: applications
select app_key, account_id, name, scopes, created_at, revoked_at, sandbox, daily_quota, previous_secret_until, tokens_from
from application where account_id = $1 order by name, created_at

-- name: page_of_applications
-- $7: the operators' keys in place of the tenants' applications.
select app_key, account_id, name, scopes, created_at, revoked_at, sandbox, daily_quota, previous_secret_until, tokens_from
from application
where (account_id = 'operator') = $7::boolean
  and ($1::text is null or account_id = $1)
  and ($2::text is null or app_key = $2)
  and ($3::boolean is null or (revoked_at is not null) = $3)
  and (name collate "C", app_key collate "C") > ($4::text, $5::text)
order by name collate "C", app_key collate "C"
limit $6

-- name: rotate_secret
-- Every process drops what it remembers of the application as soon as this commits.
with changed as (
    update application
    set secret_hash = $2, previous_secret_until = $4,
        previous_secret_hash = case when $4::timestamptz is null then null else secret_hash end,
        tokens_from = case when $4::timestamptz is null then $3::timestamptz else tokens_from end
    where app_key = $1 and revoked_at is null
    returning app_key, account_id, name, scopes, created_at, revoked_at, sandbox, daily_quota, previous_secret_until, tokens_from
)
select changed.*, pg_notify('simwarden_application', changed.app_key) as told from changed

-- name: application
select app_key, account_id, name, scopes, created_at, revoked_at, sandbox, daily_quota, previous_secret_until, tokens_from from application where app_key = $1

-- name: credentials
select app_key, account_id, name, scopes, created_at, revoked_at, sandbox, daily_quota, previous_secret_until, tokens_from, secret_hash,
       previous_secret_hash from application where app_key = $1

-- name: revoke_application
-- Every process drops what it remembers of the application as soon as this commits.
with revoked as (
    update application set revoked_at = coalesce(revoked_at, now()),
           successor = case when revoked_at is null then $2 else successor end
    where app_key = $1
    returning app_key, account_id, name, scopes, created_at, revoked_at, sandbox, daily_quota, previous_secret_until, tokens_from
)
select revoked.*, pg_notify('simwarden_application', revoked.app_key) as told from revoked

-- name: hand_over_inboxes
-- A name that the new owner has is told apart by the old owner's key.
update inbox i set app_key = $2,
       name = case when exists (select 1 from inbox o where o.app_key = $2 and o.name = i.name)
                   then i.name || ' (' || $1 || ')' else i.name end
where i.app_key = $1

-- name: applications_named
-- Live ones of tenants by APPKEY, or by the account's name or id, a slash and their own name. Names may hold slashes too.
select a.app_key, a.account_id, a.name, a.scopes, a.created_at, a.revoked_at, a.sandbox, a.daily_quota, a.previous_secret_until,
       a.tokens_from
from application a join account o on o.id = a.account_id
where a.revoked_at is null and o.id <> 'operator'
  and (a.app_key = $1 or o.name || '/' || a.name = $1 or o.id || '/' || a.name = $1)

-- name: set_daily_quota
-- Every process drops what it remembers of the application as soon as this commits.
with changed as (
    update application set daily_quota = $2 where app_key = $1 and revoked_at is null
    returning app_key, account_id, name, scopes, created_at, revoked_at, sandbox, daily_quota, previous_secret_until, tokens_from
)
select changed.*, pg_notify('simwarden_application', changed.app_key) as told from changed

-- name: lock_signing_keys
select pg_advisory_xact_lock($1)

-- name: signing_keys
-- Newest first. A retired key signs no more, but what it signed is accepted until it expires.
select kid, algorithm, private_key, public_jwk, created_at, retired_at from signing_key
where retired_at is null or retired_at > now() - $1::interval
order by (retired_at is null) desc, created_at desc, kid

-- name: insert_signing_key
insert into signing_key (kid, algorithm, private_key, public_jwk) values ($1, $2, $3, $4)

-- name: retire_signing_keys
update signing_key set retired_at = now() where kid <> $1 and retired_at is null
