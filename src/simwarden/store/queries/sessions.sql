-- name: find
select s.* from session s
join unnest($1::smallint[], $2::text[], $3::int[], $4::text[]) as i (bucket, imsi, gateway_id, key)
  on s.bucket = i.bucket and s.imsi = i.imsi and s.gateway_id = i.gateway_id and s.key = i.key
  and s.bucket = any ($1::smallint[]) /* shards */

-- name: live
select s.* from session s
join unnest($1::smallint[], $2::text[], $3::int[]) as i (bucket, imsi, gateway_id)
  on s.bucket = i.bucket and s.imsi = i.imsi and s.gateway_id = i.gateway_id
  and s.bucket = any ($1::smallint[]) /* shards */
where s.ended_at is null
order by s.bucket, s.imsi, s.began_at, s.key

-- name: save
insert into session (bucket, imsi, gateway_id, key, began_at, seen_at, ended_at, imei, presumed,
                     svn, plmn, apn, rat, ipv4, ipv6, up, down, parts, decision,
                     restriction)
select * from unnest(string_to_array($1, e'\n')::smallint[], string_to_array($2, e'\n'),
                     string_to_array($3, e'\n')::int[], $4::text[], $5::timestamptz[], $6::timestamptz[],
                     $7::timestamptz[], string_to_array($8, e'\n', ''), string_to_array($9, e'\n')::boolean[],
                     string_to_array($10, e'\n', ''), string_to_array($11, e'\n', ''), $12::text[],
                     string_to_array($13, e'\n', ''), string_to_array($14, e'\n', ''), string_to_array($15, e'\n', ''),
                     string_to_array($16, e'\n')::bigint[], string_to_array($17, e'\n')::bigint[],
                     string_to_array($18, e'\n')::int[], string_to_array($19, e'\n', ''), string_to_array($20, e'\n', ''))
on conflict (bucket, imsi, gateway_id, key) do update
set began_at = excluded.began_at, seen_at = excluded.seen_at, ended_at = excluded.ended_at, imei = excluded.imei,
    presumed = excluded.presumed, svn = excluded.svn, plmn = excluded.plmn, apn = excluded.apn, rat = excluded.rat,
    ipv4 = excluded.ipv4, ipv6 = excluded.ipv6, up = excluded.up, down = excluded.down, parts = excluded.parts,
    decision = excluded.decision, restriction = excluded.restriction

-- name: count
-- What each report of a session that goes on changes: 4 columns in place of 20.
update session s set seen_at = i.seen_at, up = i.up, down = i.down, parts = i.parts
from unnest($1::smallint[], string_to_array($2, e'\n'), string_to_array($3, e'\n')::int[], $4::text[],
            $5::timestamptz[], string_to_array($6, e'\n')::bigint[], string_to_array($7, e'\n')::bigint[],
            string_to_array($8, e'\n')::int[])
     as i (bucket, imsi, gateway_id, key, seen_at, up, down, parts)
where s.bucket = i.bucket and s.imsi = i.imsi and s.gateway_id = i.gateway_id and s.key = i.key
  and s.bucket = any ($1::smallint[]) /* shards */

-- name: go_on
-- Reports of sessions that say nothing else than that they go on, later: of a SIM in the device and the cell that are
-- stored, with nothing to be off there, of which neither rules nor anybody else wait for reports. Whatever `follow`
-- (domain/session.py), `interesting` (sims.sql), `new_cells` (places.sql), `settled_at` (attachments.sql), `watched`
-- (standing.sql) or `stamps` (risk.sql) would find something in is left out, but for stored times that are due to be
-- renewed: those of the SIM and of its cell, where the place in its history stays and nothing else is decided by that.
-- What is more than was counted is added to the session and to the hour's volume, as `add` (volumes.sql) does; what a
-- session writes that was deleted meanwhile is left out too. Times are seconds since 1970; $21: how old, as an
-- interval, a stored one may become.
with told as (
    select ord, bucket, imsi, gateway_id, key, to_timestamp(at) as at, to_timestamp(began_at) as began_at, up, down,
           imei, svn, plmn, apn, rat, ipv4, ipv6, decision, cell, cell_area,
           to_timestamp(coalesce(cell_at, at)) as cell_at, to_timestamp(floor(at / 3600) * 3600) as hour,
           imsi || coalesce('@' || apn, '') as target
    from unnest(string_to_array($2, e'\n')::smallint[], string_to_array($3, e'\n'), string_to_array($4, e'\n')::int[],
                string_to_array($5, e'\n'), string_to_array($6, e'\n')::float8[], string_to_array($7, e'\n')::float8[],
                string_to_array($8, e'\n', '')::bigint[], string_to_array($9, e'\n', '')::bigint[],
                string_to_array($10, e'\n', ''), string_to_array($11, e'\n', ''), string_to_array($12, e'\n', ''),
                string_to_array($13, e'\n', ''), string_to_array($14, e'\n', ''), string_to_array($15, e'\n', ''),
                string_to_array($16, e'\n', ''), string_to_array($17, e'\n', ''), string_to_array($18, e'\n', ''),
                string_to_array($19, e'\n', ''), string_to_array($20, e'\n', '')::float8[])
         with ordinality as i (bucket, imsi, gateway_id, key, at, began_at, up, down, imei, svn, plmn, apn, rat, ipv4,
                               ipv6, decision, cell, cell_area, cell_at, ord)
),
known as materialized (
    select i.ord, i.bucket, i.imsi, i.gateway_id, i.key, i.at, i.hour, m.account_id, s.began_at,
           m.seen_at as sim_seen_at, m.event_count, greatest(i.up - s.up, 0) as up, greatest(i.down - s.down, 0) as down,
           i.at - s.seen_at >= $21 as is_due, i.at - m.seen_at >= $21 as sim_due,
           i.cell is not null and i.cell_at - p.cell_at >= $21 as cell_due
    from told i
    join session s on s.bucket = i.bucket and s.imsi = i.imsi and s.gateway_id = i.gateway_id and s.key = i.key
      and s.bucket = any ($1::smallint[]) /* shards */
    join sim m on m.bucket = i.bucket and m.imsi = i.imsi and m.bucket = any ($1::smallint[]) /* shards */
    join gateway g on g.id = i.gateway_id and (g.account_id is null or g.account_id = m.account_id)
    join attachment a on a.bucket = i.bucket and a.imsi = i.imsi and a.element_id = i.gateway_id
      and a.target = i.target and a.bucket = any ($1::smallint[]) /* shards */
    left join sim_place p on p.bucket = i.bucket and p.imsi = i.imsi and p.bucket = any ($1::smallint[]) /* shards */
    left join sim_standing w on w.bucket = i.bucket and w.imsi = i.imsi and w.bucket = any ($1::smallint[]) /* shards */
    left join session_restart r on r.gateway_id = i.gateway_id
    left join risk_account k on k.account_id = m.account_id and k.counts
    left join cell c on c.key = case when i.cell_at - p.cell_at >= $21 then i.cell end
    left join cell n on n.key = case when i.cell_at - p.cell_at >= $21 then i.cell_area end
    where s.ended_at is null and not s.presumed and (r.restarted_at is null or s.began_at >= r.restarted_at)
      and i.at > s.seen_at and i.began_at >= s.began_at
      and (i.imei is null or i.imei = s.imei) and (i.svn is null or i.svn = s.svn)
      and (i.plmn is null or i.plmn = s.plmn) and i.apn is not distinct from s.apn and (i.rat is null or i.rat = s.rat)
      and (i.ipv4 is null or i.ipv4 = s.ipv4) and (i.ipv6 is null or i.ipv6 = s.ipv6)
      and (i.decision is null or s.decision is not null)
      and m.seen_imei = s.imei and not m.seen_unknown and m.state is distinct from 'ARMED' and m.upheld_at is null
      and (i.cell is null or p.cell = i.cell and p.cell_area is not distinct from i.cell_area)
      and (i.at - m.seen_at < $21 and (i.cell is null or i.cell_at - p.cell_at < $21)
           or m.seen_gateway is null and m.state is distinct from 'DIFFERED' and coalesce(m.bars, '[]') = '[]'
              and (i.cell is null or i.cell_at - p.cell_at < $21
                   or p.ref is not distinct from coalesce(c.key, n.key) and (p.ref is not null or p.latitude is null)))
      and a.desired = 0 and a.status = 'APPLIED' and coalesce(a.applied, 0) = 0
      and w.imsi is null and k.account_id is null
),
written as (
    update session s set seen_at = k.at, up = s.up + k.up, down = s.down + k.down
    from known k
    where s.bucket = k.bucket and s.imsi = k.imsi and s.gateway_id = k.gateway_id and s.key = k.key
      and s.bucket = any ($1::smallint[]) /* shards */
      and (k.is_due or k.up > 0 or k.down > 0)
    returning k.*
),
counted as (
    insert into data_volume as v (bucket, imsi, hour, element_id, account_id, up, down, at)
    select bucket, imsi, hour, gateway_id, account_id, up, down, at from written where up > 0 or down > 0
    on conflict (bucket, imsi, hour, element_id, account_id) do update
    set up = least(v.up + excluded.up, 1000000000000000), down = least(v.down + excluded.down, 1000000000000000), at = greatest(v.at, excluded.at)
)
select ord, sim_due, cell_due, sim_seen_at, event_count, began_at from written
union all
select ord, sim_due, cell_due, sim_seen_at, event_count, began_at from known where not (is_due or up > 0 or down > 0)

-- name: live_of_sim
select s.* from session s left join session_restart r on r.gateway_id = s.gateway_id
where s.bucket = $1 and s.imsi = $2 and s.ended_at is null
  and (r.restarted_at is null or s.began_at >= r.restarted_at)
order by s.seen_at desc, s.gateway_id, s.key

-- name: latest_of_sim
select * from session where bucket = $1 and imsi = $2 order by seen_at desc, began_at desc, gateway_id, key limit $3

-- name: newest_of_sim
select * from session where bucket = $1 and imsi = $2 order by seen_at desc, began_at desc, gateway_id, key limit 1

-- name: forget_oldest
delete from session s
using (
    select bucket, imsi, gateway_id, key,
           row_number() over (partition by bucket, imsi, gateway_id
                              order by ended_at is null desc, seen_at desc, key) as place
    from session
    where bucket = any ($1::smallint[]) and imsi = any ($2::text[]) and gateway_id = any ($3::int[])
) o
where s.bucket = any ($1::smallint[]) and s.bucket = o.bucket and s.imsi = o.imsi and s.gateway_id = o.gateway_id
  and s.key = o.key and o.place > $4

-- name: restarts
select gateway_id, restarted_at from session_restart where gateway_id = any ($1::int[])

-- name: restarted
insert into session_restart as r (gateway_id, restarted_at) values ($1, $2)
on conflict (gateway_id) do update set restarted_at = greatest(r.restarted_at, excluded.restarted_at)

-- name: imsi_of_msisdn
select value, imsi from sim_identifier where kind = 'msisdn' and value = any ($1::text[])

-- name: forget
delete from session where bucket = any ($1::smallint[]) and gateway_id = $2

-- name: prune
delete from session where bucket = $1 and seen_at < $2
