-- name: put
insert into plan (seller, name, valid_from, document, created_at) values ($1, $2, $3, $4, $5)
on conflict (seller, name, valid_from) do update set document = excluded.document, created_at = excluded.created_at

-- name: versions
select name, valid_from, document, created_at from plan where seller = $1 and name = $2 order by valid_from desc

-- name: page
select name, valid_from, document, created_at from plan
where seller = $1 and (name, valid_from) > ($2::text, $3::date) order by name, valid_from limit $4

-- name: remove
delete from plan where seller = $1 and name = $2 and valid_from = $3

-- name: assign
insert into account_plan (seller, account_id, valid_from, plan) values ($1, $2, $3, $4)
on conflict (seller, account_id, valid_from) do update set plan = excluded.plan

-- name: of_account
select valid_from, plan from account_plan where seller = $1 and account_id = $2 order by valid_from

-- name: assigned
-- Whose plan of this seller it is in the month that begins on $3, by account; no version of the plan that is valid then:
-- null.
select a.account_id, a.plan, p.valid_from, p.document
from (
    select distinct on (account_id) account_id, plan from account_plan
    where seller = $1 and ($2::text[] is null or account_id = any ($2)) and valid_from <= $3
    order by account_id, valid_from desc
) as a
left join lateral (
    select valid_from, document from plan
    where seller = $1 and name = a.plan and valid_from <= $3 order by valid_from desc limit 1
) as p on true
where a.plan is not null
order by a.account_id

-- name: seller
-- Who charges an account in the month that begins on $2; of several the one that is nearest above it.
with recursive above (id, parent_id, depth) as (
    select id, parent_id, 0 from account where id = $1
    union all
    select a.id, a.parent_id, b.depth + 1 from account a join above b on a.id = b.parent_id where b.depth < 10
)
select s.seller
from (
    select distinct on (seller) seller, plan from account_plan where account_id = $1 and valid_from <= $2
    order by seller, valid_from desc
) as s
left join above on above.id = s.seller
where s.plan is not null
order by above.depth nulls last limit 1

-- name: below
with recursive below (id, parent_id, depth) as (
    select id, parent_id, 1 from account where parent_id = any ($1::text[])
    union all
    select a.id, a.parent_id, b.depth + 1 from account a join below b on a.parent_id = b.id where b.depth < 10
)
select id, parent_id, max(depth) as depth from below group by id, parent_id order by depth, id

-- name: valid
select valid_from, document from plan
where seller = $1 and name = $2 and valid_from <= $3 order by valid_from desc limit 1

-- name: in_use
select account_id from account_plan where seller = $1 and plan = $2 limit 1
