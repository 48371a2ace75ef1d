-- What network elements show of SIMs now.

-- name: shown
-- $1: the buckets that are concerned. A whole status of a gateway confirms each slot that it does not change. Of each SIM
-- the session that goes on and was reported last, else the one that ended last. One that began before its element ended
-- all its sessions is over since.
select distinct on (i.ord)
       i.ord, p.imsi, p.iccid, p.status, p.plmn, p.imei, greatest(p.reported_at, g.status_at) as at,
       coalesce(g.reported_at, p.reported_at) as heard_at, g.report_interval,
       s.plmn as session_plmn, s.imei as session_imei, s.svn, s.rat,
       s.ended_at is null and (r.restarted_at is null or s.began_at >= r.restarted_at) as live,
       case when s.ended_at is null and s.began_at < r.restarted_at then r.restarted_at
            else coalesce(s.ended_at, s.seen_at) end as session_at,
       coalesce(e.reported_at, s.seen_at) as session_heard_at, e.report_interval as session_interval
from unnest(string_to_array($2, e'\n')::smallint[], string_to_array($3, e'\n'),
            string_to_array($4, e'\n', '')::int[], string_to_array($5, e'\n', '')::int[],
            string_to_array($6, e'\n', '')::int[])
     with ordinality as i (bucket, imsi, gateway_id, port, slot, ord)
left join gateway_port p on p.gateway_id = i.gateway_id and p.port = i.port and p.slot = i.slot
left join gateway g on g.id = p.gateway_id
left join session s on s.bucket = i.bucket and s.imsi = i.imsi and s.bucket = any ($1::smallint[])
left join gateway e on e.id = s.gateway_id
left join session_restart r on r.gateway_id = s.gateway_id
where p.gateway_id is not null or s.imsi is not null
order by i.ord, live desc, session_at desc

-- name: watched
-- Those of these SIMs of which somebody is told. $3: the events that tell.
select w.imsi from sim_standing w
join unnest($1::smallint[], $2::text[]) as i (bucket, imsi) on w.bucket = i.bucket and w.imsi = i.imsi
where w.bucket = any ($1::smallint[])
  and exists (select 1 from subscription s
              where s.bucket = w.bucket and s.imsi = w.imsi and s.ended_at is null and s.topic = any ($3::text[])
                and s.bucket = any ($1::smallint[]))

-- name: remembered
select w.imsi, w.reach, w.plmn, w.roaming, w.generation, w.volume_month, w.volume_percent from sim_standing w
join unnest($1::smallint[], $2::text[]) as i (bucket, imsi) on w.bucket = i.bucket and w.imsi = i.imsi
where w.bucket = any ($1::smallint[])

-- name: remember
insert into sim_standing as w (bucket, imsi, reach, plmn, roaming, generation, volume_month, volume_percent)
select * from unnest($1::smallint[], $2::text[], $3::text[], $4::text[], $5::boolean[], $6::text[], $7::date[],
                     $8::smallint[])
on conflict (bucket, imsi) do update
set reach = excluded.reach, plmn = excluded.plmn, roaming = excluded.roaming, generation = excluded.generation,
    volume_month = excluded.volume_month, volume_percent = excluded.volume_percent

-- name: hold_elements
-- Reports of these elements wait until the transaction ends, and one that is being taken in is waited for.
select id from gateway where id = any ($1::int[]) order by id for share

-- name: elements_of
select distinct gateway_id from session where bucket = $1 and imsi = $2

-- name: outdated
-- SIMs that somebody was told can be reached by data, or are connected, though their element has ended all its sessions since.
select w.imsi from sim_standing w
where w.bucket = any ($1::smallint[]) and (w.reach = 'DATA' or w.generation <> 'UNKNOWN')
  and exists (select 1 from session s join session_restart r on r.gateway_id = s.gateway_id
              where s.bucket = w.bucket and s.imsi = w.imsi and s.ended_at is null and s.began_at < r.restarted_at
                and s.bucket = any ($1::smallint[]))
limit $2

-- name: homes
select id, settings -> 'home_networks' as home from account where id = any ($1::text[])

-- name: prune
delete from sim_standing w
where w.bucket = any ($1::smallint[])
  and not exists (select 1 from subscription s
                  where s.bucket = w.bucket and s.imsi = w.imsi and s.ended_at is null and s.topic = any ($2::text[])
                    and s.bucket = any ($1::smallint[]))
