-- name: limited
select imsi from sim where bucket = any ($1::smallint[]) and imsi = any ($2::text[]) and area is not null

-- name: lock_account
select id from account where id = $1 for update

-- name: count
select count(*) from area where account_id = $1

-- name: insert
insert into area (id, account_id, name, shape, created_at, changed_at) values ($1, $2, $3, $4, $5, $5)
on conflict do nothing
returning id, account_id, name, shape, version, behind, created_at, changed_at

-- name: page
select id, account_id, name, shape, version, behind, created_at, changed_at from area
where ($1::text is null or account_id = $1) and (name, id) > ($2::text, $3::text)
order by name, id limit $4

-- name: find
-- By id, else by its name where only one account has such an area: more than one row says that several do.
select id, account_id, name, shape, version, behind, created_at, changed_at from area
where id = $1 or name = $1 order by (id = $1) desc, id limit 2

-- name: named
-- Held until the end of the transaction: whoever redraws an area meets all SIMs that were limited to it before.
select a.id, a.account_id, a.name, a.shape, a.version, a.behind, a.created_at, a.changed_at
from area a
where a.account_id = any ($1::text[]) and a.name = any ($2::text[])
order by a.id
for share of a

-- name: lock
select id, account_id, name, shape, version, behind, created_at, changed_at from area where id = $1 for update

-- name: change
update area set name = $2, shape = $3, version = $4, behind = $5, changed_at = $6 where id = $1
returning id, account_id, name, shape, version, behind, created_at, changed_at

-- name: delete
delete from area where id = $1

-- name: is_default
select exists (select 1 from account where id = $1 and settings ->> 'area' = $2)

-- name: sims
select count(*) from sim where bucket = any ($1::smallint[]) and area ->> 'id' = $2

-- name: behind
select id, account_id, name, shape, version, behind, created_at, changed_at from area where behind order by id

-- name: sims_behind
select imsi from sim
where bucket = any ($1::smallint[]) and area ->> 'id' = $2 and (area ->> 'version')::integer < $3
order by bucket, imsi limit $4

-- name: sims_page
select imsi from sim
where bucket = any ($1::smallint[]) and area ->> 'id' = $2 and (bucket, imsi) > ($3::smallint, $4::text)
order by bucket, imsi limit $5

-- name: caught_up
update area set behind = false where id = $1 and version = $2
