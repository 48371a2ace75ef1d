-- Operators as people, their sessions, and attempts to log in. Small tables. Times come from the client.

-- name: add
insert into operator_user (id, email, name, role, manages, issuer, subject, created_at)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict do nothing
returning *

-- name: lock_first
-- Of two at once one is the first.
lock table operator_user in share row exclusive mode

-- name: add_first
insert into operator_user (id, email, name, role, password, created_at)
select $1, $2, $3, $4, $5, $6
where not exists (select from operator_user)
returning *

-- name: any
select exists (select from operator_user)

-- name: by_id
select * from operator_user where id = $1

-- name: by_email
select * from operator_user where email = $1 and issuer is null

-- name: by_subject
select * from operator_user where issuer = $1 and subject = $2

-- name: page
select * from operator_user where (email collate "C", id collate "C") > ($1::text, $2::text)
order by email collate "C", id collate "C" limit $3

-- name: change
update operator_user set name = $2, role = $3, manages = $4, disabled_at = $5 where id = $1 returning *

-- name: change_role
update operator_user set role = $2 where id = $1 and disabled_at is null returning id

-- name: renamed
update operator_user set email = $2, name = $3 where id = $1

-- name: set_password
update operator_user set password = $2 where id = $1

-- name: logged_in
update operator_user set logged_in_at = $2 where id = $1

-- name: offer_totp
update operator_user set totp_pending = $2 where id = $1

-- name: confirm_totp
update operator_user set totp = totp_pending, totp_pending = null, totp_step = $2 where id = $1 and totp_pending = $3
returning id

-- name: drop_totp
-- The password goes with it: alone it opened nothing until now.
update operator_user set totp = null, totp_pending = null, password = null where id = $1

-- name: use_totp
-- A code of this step or an earlier one counts no more, whichever worker it comes to.
update operator_user set totp_step = $2 where id = $1 and totp_step < $2 returning id

-- name: drop_recovery
delete from operator_recovery where user_id = $1

-- name: add_recovery
insert into operator_recovery (user_id, hash) select $1, unnest($2::bytea[])

-- name: use_recovery
delete from operator_recovery where user_id = $1 and hash = $2 returning user_id

-- name: recovery_left
select count(*) from operator_recovery where user_id = $1

-- name: put_setup
insert into operator_setup (hash, user_id, ends_at) values ($1, $2, $3)
on conflict (user_id) do update set hash = excluded.hash, ends_at = excluded.ends_at

-- name: setup
select u.* from operator_setup s join operator_user u on u.id = s.user_id
where s.hash = $1 and s.ends_at > $2 and u.disabled_at is null

-- name: use_setup
delete from operator_setup where hash = $1 and ends_at > $2 returning user_id

-- name: drop_setup
delete from operator_setup where user_id = $1

-- name: open_session
-- Who locks him waits until this is committed, and ends the session then; or it sees that he is locked.
with owner as (select id from operator_user where id = $3 and disabled_at is null for share)
insert into operator_session (id, hash, user_id, created_at, used_at, ends_at, address, method)
select $1, $2, id, $4, $4, $5, $6, $7 from owner
returning id

-- name: session
select s.id as session_id, s.created_at as begun_at, s.used_at, s.ends_at, s.method, s.address, u.*
from operator_session s join operator_user u on u.id = s.user_id
where s.hash = $1 and s.ends_at > $2 and s.used_at > $3 and u.disabled_at is null

-- name: touch
update operator_session set used_at = $2 where id = $1

-- name: sessions
select id, user_id, created_at, used_at, ends_at, address, method from operator_session
where user_id = $1 and ends_at > $2 and used_at > $3
order by created_at desc, id limit 1000

-- name: end_session
delete from operator_session where id = $1 and ($2::text is null or user_id = $2) returning id

-- name: end_sessions
delete from operator_session where user_id = $1 and ($2::text is null or id <> $2)

-- name: prune_sessions
delete from operator_session where ends_at < $1 or used_at < $2

-- name: known_address
select exists (select from operator_address where user_id = $1 and address = $2)

-- name: know_address
insert into operator_address (user_id, address, at) values ($1, $2, $3)
on conflict (user_id, address) do update set at = excluded.at

-- name: prune_addresses
delete from operator_address where at < $1

-- name: attempt
-- Counted before it is looked at, so that a thousand at once are not one.
insert into operator_throttle as t (key, attempts, since)
select k, 1, $2 from unnest($1::bytea[]) as k order by k
on conflict (key) do update set
    attempts = case when t.since < $3 then 1 else t.attempts + 1 end,
    since = case when t.since < $3 then $2 else t.since end
returning key, attempts, since

-- name: forgive
delete from operator_throttle where key = any ($1::bytea[])

-- name: refund
update operator_throttle set attempts = greatest(attempts - 1, 0) where key = any ($1::bytea[])

-- name: prune_throttle
delete from operator_throttle where since < $1
