-- Models of devices by type allocation code. One table for the whole installation, found by its key.

-- name: find
select tac, manufacturer, model from tac where tac = any ($1::text[])

-- name: put
insert into tac as t (tac, manufacturer, model, imported_at)
select tac, manufacturer, model, $4 from unnest($1::text[], $2::text[], $3::text[]) as i (tac, manufacturer, model)
on conflict (tac) do update set manufacturer = excluded.manufacturer, model = excluded.model, imported_at = excluded.imported_at

-- name: count
select count(*) from tac
