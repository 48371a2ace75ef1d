-- name: add
insert into gateway (name, kind, command_url, username, password, token_hash, generation, report_interval, account_id,
                     source_addresses)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
returning *

-- name: update
-- Another address or login: which generation it speaks, and whether it can be reached, is to be found anew.
update gateway
set name = case when $2 then $3 else name end,
    command_url = case when $4 then $5 else command_url end,
    username = case when $6 then $7 else username end,
    report_interval = case when $8 then $9 else report_interval end,
    password = case when $10 then $11 else password end,
    account_id = case when $12 then $13 else account_id end,
    source_addresses = coalesce($14::text[], source_addresses),
    generation = case when $4 and command_url is distinct from $5 then null else generation end,
    unreachable_since = case when $4 or $6 or $10 then null else unreachable_since end
where id = $1

-- name: set_service
-- $2: since when it is out of service; null: it is in service. The first time stays.
update gateway set out_of_service_at = case when $2::timestamptz is null then null else coalesce(out_of_service_at, $2) end
where id = $1

-- name: lock_named
select id from gateway where name = $1 for update

-- name: delete
with asked as (delete from gateway_poll where gateway_id = $1)
delete from gateway where id = $1

-- name: set_password
update gateway set password = $2 where id = $1

-- name: set_token
update gateway set token_hash = $2 where name = $1 returning id

-- name: set_command_url
update gateway set command_url = $2 where name = $1 returning id

-- name: by_token
select token_hash, id, name, report_interval, mac, source_addresses from gateway where token_hash = any ($1::bytea[])

-- name: by_name
select * from gateway where name = $1

-- name: by_id
select * from gateway where id = $1

-- name: of_kind
select * from gateway where kind = $1 order by id

-- name: names
select id, name from gateway where id = any ($1::int[])

-- name: ids
select id, name from gateway where name = any ($1::text[])

-- name: all
select g.*, (select count(*) from gateway_port p where p.gateway_id = g.id and p.imsi is not null) as sims,
       (select count(*) from attachment a where a.element_id = g.id and a.status <> 'APPLIED') as open_enforcements
from gateway g order by name

-- name: lock
select id, report_interval, boot, status_sequence, boot_digests, accepted_at, unreachable_since, silent_since,
       lines, status_at, account_id, max_ports, latitude, longitude, radius
from gateway where id = any ($1::int[]) order by id for update

-- name: heard
update gateway g
set reported_at = i.at, reports = g.reports + i.reports,
    boot = i.boot, status_sequence = i.status_sequence, accepted_at = i.accepted_at,
    status_at = coalesce(i.status_at, g.status_at),
    mac = coalesce(i.mac, g.mac), address = coalesce(i.address, g.address), version = coalesce(i.version, g.version),
    max_ports = coalesce(i.max_ports, g.max_ports), max_slots = coalesce(i.max_slots, g.max_slots),
    unreachable_since = null, silent_since = null
from unnest($1::int[], $2::timestamptz[], $3::int[], $4::int[], $5::bigint[], $6::timestamptz[], $7::timestamptz[],
            $8::text[], $9::text[], $10::text[], $11::int[], $12::int[])
     with ordinality as i (
         id, at, reports, boot, status_sequence, accepted_at, status_at, mac, address, version, max_ports, max_slots, ord)
where g.id = i.id and i.ord between 1 and 1000000000 /* one plan */

-- name: set_numberings
update gateway set boot_digests = $2, lines = $3 where id = $1

-- name: unreachable
update gateway set unreachable_since = coalesce(unreachable_since, $2), unreachable_count = unreachable_count + 1
where id = $1
returning unreachable_count, reported_at

-- name: answered
update gateway set unreachable_count = 0 where id = $1

-- name: set_generation
update gateway set generation = $2 where id = $1 and generation is distinct from $2

-- name: reject
with counted as (update gateway set rejected = rejected + $7 where id = $1 returning id)
insert into gateway_reject (gateway_id, received_at, reason, content_type, size, body, sealed)
select id, $2, $3, $4, $5, $6, true from counted

-- name: prune_rejects
delete from gateway_reject where gateway_id = $1 and id <= (
    select id from gateway_reject where gateway_id = $1 order by id desc offset $2 limit 1)

-- name: rejects
select r.id, g.name as gateway, r.received_at, r.reason, r.content_type, r.size, r.body, r.sealed
from gateway_reject r join gateway g on g.id = r.gateway_id
where ($1::text is null or g.name = $1) and ($3::bigint is null or r.id < $3)
order by r.id desc limit $2
