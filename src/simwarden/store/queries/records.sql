-- name: add_sms
-- `plain` is the key that a message was stored under before messages were sealed. A message that is stored in another
-- bucket is known too: its SIM may be known by the slot only, and the slot may hold another card by now.
insert into sms (bucket, gateway_id, key, direction, imsi, port, slot, pool, pool_slot, at, status, received_at, sealed)
select bucket, gateway_id, key, direction, imsi, port, slot, pool, pool_slot, at, status, received_at, sealed
from unnest($1::smallint[], $2::int[], $3::bytea[], $4::bytea[], $5::text[], $6::text[], $7::int[], $8::int[],
            $9::text[], $10::int[], $11::timestamptz[], $12::int[], $13::timestamptz[], $14::bytea[])
     as i (bucket, gateway_id, key, plain, direction, imsi, port, slot, pool, pool_slot, at, status, received_at, sealed)
where not exists (
    select 1 from sms p where p.gateway_id = i.gateway_id and p.key in (i.key, i.plain)
)
on conflict do nothing
returning gateway_id, key

-- name: known_calls
select gateway_id, key, bucket, imsi, direction, begin_at, answer_at, update_at, end_at, received_at, zone, prefix,
       called_back
from call_record
join unnest($1::int[], $2::bytea[]) as i (gateway_id, key) using (gateway_id, key)

-- name: save_call
insert into call_record as c (bucket, gateway_id, key, call_id, imsi, port, slot, direction, begin_at, alert_at, answer_at,
                              update_at, end_at, reason_code, reason, received_at, sealed_caller, sealed_callee,
                              sealed_detail, zone, prefix, peer)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)
on conflict (bucket, gateway_id, key) do update
set imsi = coalesce(c.imsi, excluded.imsi),
    port = coalesce(c.port, excluded.port), slot = coalesce(c.slot, excluded.slot),
    direction = coalesce(excluded.direction, c.direction),
    sealed_caller = coalesce(excluded.sealed_caller, c.sealed_caller),
    sealed_callee = coalesce(excluded.sealed_callee, c.sealed_callee),
    sealed_detail = coalesce(excluded.sealed_detail, c.sealed_detail),
    begin_at = coalesce(c.begin_at, excluded.begin_at),
    alert_at = coalesce(c.alert_at, excluded.alert_at),
    answer_at = coalesce(c.answer_at, excluded.answer_at),
    update_at = greatest(c.update_at, excluded.update_at),
    end_at = coalesce(c.end_at, excluded.end_at),
    reason_code = coalesce(excluded.reason_code, c.reason_code),
    reason = coalesce(excluded.reason, c.reason),
    zone = coalesce(excluded.zone, c.zone),
    prefix = coalesce(excluded.prefix, c.prefix),
    peer = coalesce(excluded.peer, c.peer),
    received_at = excluded.received_at
returning imsi, direction, begin_at, answer_at, update_at, end_at, received_at, zone, prefix, called_back

-- name: call_back
-- Calls that a SIM made to numbers that had called it before; in whichever order the two came to be known.
update call_record c set called_back = true
from (
    select bucket, peer, min(begin_at) as begin_at from call_record
    where bucket = any ($1::smallint[]) and peer = any ($2::bytea[]) and direction = 'inbound'
    group by bucket, peer
) f
where c.bucket = any ($1::smallint[]) and c.peer = any ($2::bytea[]) and c.direction = 'outbound' and not c.called_back
  and f.bucket = c.bucket and f.peer = c.peer and c.begin_at > f.begin_at
returning c.imsi, c.direction, c.begin_at, c.answer_at, c.update_at, c.end_at, c.received_at, c.zone, c.prefix,
          c.called_back

-- name: sms_of
select * from sms r
where r.bucket = $1 and r.imsi = $2
  and not exists (  -- what came before belongs to who had this IMSI then
      select 1 from sim_deleted d where d.bucket = $1 and d.imsi = $2 and d.deleted_at >= r.received_at
  )
order by r.at desc limit $3

-- name: calls_of
select * from call_record r
where r.bucket = $1 and r.imsi = $2
  and not exists (select 1 from sim_deleted d where d.bucket = $1 and d.imsi = $2 and d.deleted_at >= r.received_at)
order by r.begin_at desc limit $3
