-- Data that SIMs used.

-- name: add
-- Of one SIM, hour and element at most as much as of one session (MOST_OCTETS, domain/session.py): sessions that begin
-- again and again do not leave bigint.
insert into data_volume as v (bucket, imsi, hour, element_id, account_id, up, down, at)
select * from unnest(string_to_array($1, e'\n')::smallint[], string_to_array($2, e'\n'), $3::timestamptz[],
                     string_to_array($4, e'\n')::int[], string_to_array($5, e'\n'),
                     string_to_array($6, e'\n')::bigint[], string_to_array($7, e'\n')::bigint[], $8::timestamptz[])
on conflict (bucket, imsi, hour, element_id, account_id) do update
set up = least(v.up + excluded.up, 1000000000000000), down = least(v.down + excluded.down, 1000000000000000), at = greatest(v.at, excluded.at)

-- name: of_sim
select hour, sum(up)::bigint as up, sum(down)::bigint as down, max(at) as at from data_volume
where bucket = $1 and imsi = $2 and account_id = $3 and hour >= $4 and hour < $5
group by hour order by hour

-- name: total
select coalesce(sum(up), 0)::bigint as up, coalesce(sum(down), 0)::bigint as down from data_volume
where bucket = $1 and imsi = $2 and account_id = $3 and hour >= $4 and hour < $5

-- name: used_since
-- Of several SIMs. $4: a whole hour.
select v.imsi, (sum(v.up) + sum(v.down))::bigint as octets
from unnest($1::smallint[], $2::text[], $3::text[]) as i (bucket, imsi, account_id)
join data_volume v on v.bucket = i.bucket and v.imsi = i.imsi and v.account_id = i.account_id
where v.bucket = any ($1::smallint[]) and v.hour >= $4
group by v.imsi

-- name: has_any
select exists (select 1 from data_volume where bucket = $1 and imsi = $2 and account_id = $3)

-- name: forget
delete from data_volume v
using unnest($1::smallint[], $2::text[]) as i (bucket, imsi)
where v.bucket = i.bucket and v.imsi = i.imsi and v.bucket = any ($1::smallint[])

-- name: prune
delete from data_volume where bucket = $1 and hour < $2
  and ctid = any (array(select ctid from data_volume where bucket = $1 and hour < $2 limit $3 for update skip locked))
