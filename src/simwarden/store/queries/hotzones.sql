-- Named hotzones of accounts. A small table, a reference table on Citus.

-- name: lock_account
select id from account where id = $1 for no key update

-- name: newest
select distinct on (name) name, version, zones, set_at from hotzone_list
where account_id = $1 and ($2::text[] is null or name = any ($2))
order by name, version desc

-- name: history
select name, version, zones, set_at from hotzone_list where account_id = $1 and name = $2 order by version

-- name: add
insert into hotzone_list (account_id, name, version, zones, set_at) values ($1, $2, $3, $4, $5)

-- name: forget
delete from hotzone_list where account_id = $1 and name = $2 and version <= $3
