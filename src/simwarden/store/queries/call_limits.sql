-- name: of_application
select app_key, api, operation, rate, burst, daily, monthly from call_limit
where account_id = $1 and app_key in ('', $2)
order by app_key, api, operation

-- name: of_account
select app_key, api, operation, rate, burst, daily, monthly from call_limit
where account_id = $1 and ($2::text is null or app_key = $2)
order by app_key, api, operation

-- name: lock_account
select id from account where id = $1 for no key update

-- name: set
insert into call_limit (account_id, app_key, api, operation, rate, burst, daily, monthly)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (account_id, app_key, api, operation)
do update set rate = excluded.rate, burst = excluded.burst, daily = excluded.daily, monthly = excluded.monthly

-- name: remove
delete from call_limit where account_id = $1 and app_key = $2 and api = $3 and operation = $4

-- name: tell
select pg_notify('simwarden_limit', $1)

-- name: prepare
-- Not of an account that was deleted meanwhile: nothing would delete its row again. Limits of network elements are no account's.
insert into call_allowance (key, account_id)
select i.key, i.account_id from unnest($1::text[], $2::text[]) as i (key, account_id)
where i.account_id = '' or exists (select from account a where a.id = i.account_id)
order by i.key on conflict (key) do nothing

-- name: lock
select key, tokens, at from call_allowance where key = any ($1::text[]) order by key for update

-- name: held
-- Of each key one row at least. The time is that behind the locks.
select k.key, h.worker, h.held, h.until, clock_timestamp() as now
from unnest($1::text[]) as k (key) left join call_hold h on h.key = k.key

-- name: fill
update call_allowance a set tokens = i.tokens, at = i.at
from unnest($1::text[], $2::double precision[], $3::timestamptz[]) as i (key, tokens, at)
where a.key = i.key

-- name: hold
insert into call_hold (key, worker, held, until)
select i.key, $1, i.held, $4 from unnest($2::text[], $3::bigint[]) as i (key, held)
on conflict (key, worker) do update set held = excluded.held, until = excluded.until

-- name: drop_old
delete from call_hold where key = any ($1::text[]) and until <= $2

-- name: leave
delete from call_hold where worker = any ($1::text[])

-- name: forget_holds
delete from call_hold where key = any ($1::text[])

-- name: forget
delete from call_allowance where key = any ($1::text[])
