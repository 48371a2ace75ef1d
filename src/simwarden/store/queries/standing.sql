-- What network elements show of SIMs now.

-- name: slots
-- A whole status of a gateway confirms each slot that it does not change.
select i.ord, p.imsi, p.iccid, p.status, p.plmn, p.imei, greatest(p.reported_at, g.status_at) as at,
       coalesce(g.reported_at, p.reported_at) as heard_at, g.report_interval
from unnest($1::int[], $2::int[], $3::int[]) with ordinality as i (gateway_id, port, slot, ord)
join gateway_port p on p.gateway_id = i.gateway_id and p.port = i.port and p.slot = i.slot
join gateway g on g.id = p.gateway_id

-- name: sessions
-- Of each SIM the session that goes on and was reported last, else the one that ended last. One that began before its
-- element ended all its sessions is over since.
select distinct on (s.bucket, s.imsi)
       s.imsi, s.plmn, s.imei, s.svn,
       s.ended_at is null and (r.restarted_at is null or s.began_at >= r.restarted_at) as live,
       case when s.ended_at is null and s.began_at < r.restarted_at then r.restarted_at
            else coalesce(s.ended_at, s.seen_at) end as at,
       coalesce(g.reported_at, s.seen_at) as heard_at, g.report_interval
from session s
join unnest($1::smallint[], $2::text[]) as i (bucket, imsi) on s.bucket = i.bucket and s.imsi = i.imsi
join gateway g on g.id = s.gateway_id
left join session_restart r on r.gateway_id = s.gateway_id
where s.bucket = any ($1::smallint[])
order by s.bucket, s.imsi, live desc, at desc
