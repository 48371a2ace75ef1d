-- What workers counted in the last minutes; beside the counts of the whole installation.

-- name: keep
insert into fleet_count as f (name, at, counts) values ($1, $2, $3)
on conflict (name) do update set at = excluded.at, counts = excluded.counts

-- name: forget
delete from fleet_count where starts_with(name, $1) and at < $2

-- name: read
select counts from fleet_count where starts_with(name, $1) and at >= $2 order by name
