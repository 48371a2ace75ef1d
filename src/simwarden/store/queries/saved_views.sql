-- Views of lists, by person. A small table.

-- name: lock_person
-- Two views at once do not get past the limit.
select id from operator_user where id = $1 for update

-- name: of
select id, list, name, query from saved_view where user_id = $1 order by name collate "C", id

-- name: save
insert into saved_view (id, user_id, list, name, query) values ($1, $2, $3, $4, $5)
on conflict (user_id, list, name) do update set query = excluded.query
returning id, list, name, query

-- name: remove
delete from saved_view where id = $1 and user_id = $2 returning id
