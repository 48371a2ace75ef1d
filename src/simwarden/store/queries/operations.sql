-- Operations, their parts (one per bucket) and items. `operation` itself is small: a reference table on Citus.

-- name: insert
insert into operation (id, account_id, app_key, verb, action, cause, filter, state, created_at, usage, unknown)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)

-- name: begun
select (select count(*)::int from operation
        where app_key = $1 and state in ('PREVIEWING', 'READY', 'RUNNING')) as open,
       coalesce(sum(p.items), 0)::int as devices,
       coalesce(sum(o.unknown), 0)::int as unknown
from operation o
cross join lateral (select coalesce(sum(items), 0) as items from operation_part where operation_id = o.id) p
where o.app_key = $1 and o.id >= $2

-- name: insert_parts
insert into operation_part (bucket, operation_id, open, items, refused, unchanged)
select i.bucket, $2, i.open, i.items, i.refused, i.unchanged
from unnest($1::smallint[], $3::boolean[], $4::int[], $5::int[], $6::int[]) as i (bucket, open, items, refused, unchanged)

-- name: insert_items
insert into operation_item (bucket, operation_id, n, given, imsi, data, status, code, reason, at)
select i.bucket, $2, i.n, i.given, i.imsi, i.data, i.status, i.code, i.reason, i.at
from unnest($1::smallint[], $3::int[], $4::jsonb[], $5::text[], $6::jsonb[], $7::text[], $8::text[], $9::text[],
            $10::timestamptz[]) as i (bucket, n, given, imsi, data, status, code, reason, at)

-- name: wake
select pg_notify('simwarden_operation', '')

-- name: find
-- $2: only this application's; another's costs what one that is not there costs.
select o.*, p.* from operation o
cross join lateral (
    select coalesce(sum(items), 0)::int as items, coalesce(sum(done), 0)::int as done,
           coalesce(sum(unchanged), 0)::int as unchanged, coalesce(sum(refused), 0)::int as refused,
           count(*)::int as parts, (count(*) filter (where open))::int as open_parts
    from operation_part where operation_id = o.id
) p
where o.id = $1 and ($2::text is null or o.app_key = $2)

-- name: page
select o.*, p.* from operation o
cross join lateral (
    select coalesce(sum(items), 0)::int as items, coalesce(sum(done), 0)::int as done,
           coalesce(sum(unchanged), 0)::int as unchanged, coalesce(sum(refused), 0)::int as refused,
           count(*)::int as parts, (count(*) filter (where open))::int as open_parts
    from operation_part where operation_id = o.id
) p
where ($1::text is null or o.id < $1) and ($2::text is null or o.state = $2) and ($3::text is null or o.account_id = $3)
order by o.id desc
limit $4

-- name: items
select bucket, n, given, imsi, status, code, reason, at from operation_item
where operation_id = $1 and bucket = $2 and n > $3
order by n
limit $4

-- name: items_between
select bucket, n, given, imsi, status, code, reason, at from operation_item
where bucket = any ($2::smallint[]) and operation_id = $1 and n > $3 and n <= $4
order by n

-- name: last_item
select max(n) from operation_item where bucket = any ($2::smallint[]) and operation_id = $1

-- name: all_items
select bucket, n, given, imsi, status, code, reason, at from operation_item
where bucket = any ($2::smallint[]) and operation_id = $1

-- name: buckets_of
select bucket from operation_part where operation_id = $1 order by bucket

-- name: summary
select status, code, reason, count(*)::int as count, (array_agg(given order by n))[1:5] as samples
from operation_item
where operation_id = $1 and bucket = any ($2::smallint[])
group by status, code, reason
order by count(*) desc, status, reason
limit 100

-- name: lock_operation
select state, ready_at from operation where id = $1 for update

-- name: set_state
update operation
set state = $2, confirmed_at = coalesce($3, confirmed_at), finished_at = $4, expires_at = null
where id = $1

-- name: reopen_parts
update operation_part set open = items > done + unchanged + refused, after_n = -1 where operation_id = $1

-- name: close_parts
with parts as (select bucket from operation_part where operation_id = $1 order by bucket for update)
update operation_part p set open = false from parts where p.operation_id = $1 and p.bucket = parts.bucket and p.open

-- name: open_parts
-- Some parts of each operation, the operations in turn, so that a small one does not wait for a large one.
select w.operation_id, w.bucket, o.account_id, o.action, o.cause, o.filter, o.state, o.usage, w.left
from (
    select operation_id, bucket, items - done - unchanged - refused as left, row_number() over (partition by operation_id order by bucket) as turn
    from operation_part
    where open and bucket = any ($1::smallint[])
) w
join operation o on o.id = w.operation_id and o.state in ('PREVIEWING', 'RUNNING')
where w.turn <= $2
order by w.turn, w.operation_id

-- name: lock_parts
select bucket, after_n, after_imsi, items, done, unchanged, refused
from operation_part where bucket = any ($1::smallint[]) and operation_id = $2 and open
order by bucket
for update

-- name: state
select state from operation where id = $1

-- name: next_items
select t.bucket, t.n, t.imsi, t.data
from unnest($2::smallint[], $3::int[]) as p (bucket, after_n)
cross join lateral (
    select bucket, n, imsi, data from operation_item
    where bucket = p.bucket and operation_id = $1 and n > p.after_n and status = 'REQUESTED'
    order by n
    limit $4
) t
order by t.bucket, t.n

-- name: settle
with part as (
    update operation_part p
    set open = i.open, after_n = i.after_n, after_imsi = i.after_imsi, items = i.items, done = i.done,
        unchanged = i.unchanged, refused = i.refused
    from unnest($8::smallint[], $9::boolean[], $10::int[], $11::text[], $12::int[], $13::int[], $14::int[], $15::int[])
         as i (bucket, open, after_n, after_imsi, items, done, unchanged, refused)
    where p.bucket = i.bucket and p.operation_id = $1 and p.bucket = any ($8::smallint[])
)
update operation_item t
set status = i.status, code = i.code, reason = i.reason, at = case i.status when 'REQUESTED' then t.at else $7 end
from unnest($2::smallint[], $3::int[], $4::text[], $5::text[], $6::text[]) as i (bucket, n, status, code, reason)
where t.bucket = i.bucket and t.operation_id = $1 and t.n = i.n and t.bucket = any ($2::smallint[])

-- name: finished
select o.id, o.state from operation o
where o.state in ('PREVIEWING', 'RUNNING')
  and not exists (select 1 from operation_part p where p.operation_id = o.id and p.open)

-- name: finish
update operation
set state = case state when 'PREVIEWING' then 'READY' else 'COMPLETED' end,
    ready_at = case state when 'PREVIEWING' then $3 else ready_at end,
    expires_at = case state when 'PREVIEWING' then $3 + $4::interval end,
    finished_at = case state when 'RUNNING' then $3 end,
    summary = $5
where id = $1 and state = $2

-- name: expire
update operation set state = 'EXPIRED', finished_at = $1, expires_at = null where state = 'READY' and expires_at <= $1

-- name: old
-- One that was only about SIMs that there are not is kept for less long.
select id from operation o
where finished_at < $1
   or (finished_at < $2 and unknown > 0
       and not exists (select 1 from operation_part p
                       where p.operation_id = o.id and (p.done > 0 or p.unchanged > 0)))
order by id limit 10

-- name: forget_items
delete from operation_item where operation_id = $1 and bucket = any ($2::smallint[])

-- name: forget_parts
delete from operation_part where operation_id = $1 and bucket = any ($2::smallint[])

-- name: forget
delete from operation o
where o.id = $1 and not exists (select 1 from operation_part p where p.operation_id = o.id)

-- name: sims
select s.* from sim s
join unnest($1::smallint[], $2::text[]) as i (bucket, imsi) on s.bucket = i.bucket and s.imsi = i.imsi
where s.bucket = any ($1::smallint[])

-- name: resolve
select i.ord, coalesce(d.bucket, s.bucket) as bucket, coalesce(d.imsi, s.imsi) as imsi
from unnest($1::text[], $2::text[], $4::smallint[]) with ordinality as i (kind, value, bucket, ord)
left join sim_identifier d on i.bucket is null and d.kind = i.kind and d.value = i.value
                          and ($3::text is null or d.account_id = $3)
left join sim s on s.bucket = i.bucket and s.imsi = i.value and ($3::text is null or s.account_id = $3)
               and s.bucket = any ($4::smallint[])
where coalesce(d.imsi, s.imsi) is not null
