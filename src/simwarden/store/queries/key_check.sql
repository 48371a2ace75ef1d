-- name: read
select sealed from key_check

-- name: write
insert into key_check (sealed) values ($1) on conflict (only_row) do nothing

-- name: newest_signing_key
select kid, private_key from signing_key order by retired_at is not null, created_at desc, kid limit 1

-- name: passwords
select id, password from gateway where password is not null order by id limit 10

-- name: inboxes
select id, secret from inbox order by id limit 10

-- name: subscriptions
select id, signing_secrets from subscription where signing_secrets is not null limit 10
