-- Number ranges of accounts. A small table, a reference table on Citus.

-- name: all
select r.account_id, a.name as account, r.kind, r.first, r.last, r.created_at
from account_range r join account a on a.id = r.account_id
order by a.name, r.kind, r.first, r.last

-- name: of_account
select kind, first, last, created_at from account_range where account_id = $1 order by kind, first, last

-- name: keep
-- Held until the end of the transaction: nobody takes a range away between the look at it and the commit.
select kind, first, last from account_range where account_id = $1 for key share

-- name: above
-- The accounts above one, without itself.
with recursive above (id, parent_id, depth) as (
    select id, parent_id, 1 from account where id = $1
    union all
    select a.id, a.parent_id, b.depth + 1 from account a join above b on a.id = b.parent_id where b.depth < 10
)
select id from above where depth > 1

-- name: lock
-- One program at a time adds ranges; who reads them goes on.
lock table account_range in share row exclusive mode

-- name: add
insert into account_range (account_id, kind, first, last) values ($1, $2, $3, $4)
returning created_at

-- name: remove
delete from account_range where account_id = $1 and kind = $2 and first = $3 and last = $4
