-- What is stored of SIMs, as rules would count it. Of each SIM the oldest ones, up to a limit.

-- name: sims
select imsi, seen_at, coalesce(lifecycle, 'ACTIVE') as lifecycle, functions_off from sim
where bucket = any ($1::smallint[]) and account_id = $2 and imsi > $3 order by imsi limit $4

-- name: messages
select r.gateway_id, r.key, r.imsi, r.direction, r.at, r.received_at, r.peer, case when $5 then r.sealed end as sealed from (
    select m.*, row_number() over (partition by m.bucket, m.imsi order by m.at) as n from sms m
    where m.bucket = any ($1::smallint[]) and m.imsi = any ($2::text[]) and m.at >= $3
      and m.direction in ('inbound', 'outbound')
      and not exists (  -- what came before belongs to who had this IMSI then
          select 1 from sim_deleted d
          where d.bucket = any ($1::smallint[]) and d.bucket = m.bucket and d.imsi = m.imsi and d.deleted_at >= m.received_at
      )
) r where r.n <= $4

-- name: calls
select r.imsi, r.direction, r.begin_at, r.answer_at, r.update_at, r.end_at, r.received_at, r.zone, r.prefix, r.called_back,
       r.peer
from (
    select c.*, row_number() over (partition by c.bucket, c.imsi order by c.begin_at) as n from call_record c
    where c.bucket = any ($1::smallint[]) and c.imsi = any ($2::text[]) and c.begin_at >= $3
      and not exists (
          select 1 from sim_deleted d
          where d.bucket = any ($1::smallint[]) and d.bucket = c.bucket and d.imsi = c.imsi and d.deleted_at >= c.received_at
      )
) r where r.n <= $4

-- name: events
select e.imsi, e.type, e.at from event e
join sim s on s.bucket = e.bucket and s.imsi = e.imsi and s.bucket = any ($1::smallint[])
where e.bucket = any ($1::smallint[]) and e.imsi = any ($2::text[]) and e.n >= s.first_event and e.at >= $3
  and e.type = any ($4::text[])

-- name: megabytes
select c.imsi, c.at, c.megabytes from counter_day c
where c.bucket = any ($1::smallint[]) and c.imsi = any ($2::text[]) and c.at >= $3 and c.megabytes > 0
  and c.account_id = $4
union all
select v.imsi, v.at, (v.up + v.down) / 1000000.0 from data_volume v
where v.bucket = any ($1::smallint[]) and v.imsi = any ($2::text[]) and v.at >= $3 and v.account_id = $4
