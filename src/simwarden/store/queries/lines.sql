-- Fixed lines. Reference tables on Citus, as they are found by numbers and addresses.

-- name: by_number
select i.ord, l.*, array(select n.network::text from fixed_line_network n where n.number = l.number order by n.network) as networks
from unnest($1::text[], $2::text[]) with ordinality as i (number, account_id, ord)
join fixed_line l on l.number = i.number and l.account_id = i.account_id

-- name: by_address
-- Whose the narrowest network around an address is decides, and only then whether it is the caller's.
select i.ord, l.*, array(select n.network::text from fixed_line_network n where n.number = l.number order by n.network) as networks
from unnest($1::text[], $2::text[]) with ordinality as i (address, account_id, ord)
cross join lateral (
    select n.number from fixed_line_network n
    where n.network >>= i.address::inet
    order by masklen(n.network) desc
    limit 1
) narrowest
join fixed_line l on l.number = narrowest.number and l.account_id = i.account_id

-- name: lock
-- One program at a time adds lines; who reads them goes on.
lock table fixed_line in share row exclusive mode

-- name: lines
select number from fixed_line where number = any ($1::text[])

-- name: sims
select value from sim_identifier where kind = 'msisdn' and value = any ($1::text[])

-- name: networks
select network::text, number from fixed_line_network where network = any ($1::text[]::cidr[])

-- name: add
insert into fixed_line (number, account_id, latitude, longitude, radius, installed_at)
select * from unnest($1::text[], $2::text[], $3::float8[], $4::float8[], $5::float8[], $6::timestamptz[])

-- name: add_networks
insert into fixed_line_network (network, number)
select i.network::cidr, i.number from unnest($1::text[], $2::text[]) as i (network, number)

-- name: page
select l.*, array(select n.network::text from fixed_line_network n where n.number = l.number order by n.network) as networks
from fixed_line l
where ($1::text is null or l.account_id = $1) and l.number > $2
order by l.number
limit $3

-- name: get
select l.*, array(select n.network::text from fixed_line_network n where n.number = l.number order by n.network) as networks
from fixed_line l where l.number = $1

-- name: remove
delete from fixed_line where number = $1
