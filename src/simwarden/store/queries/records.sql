-- name: add_sms
-- `plain` is the key that a message was stored under before messages were sealed. A message that is stored in another
-- bucket is known too: its SIM may be known by the slot only, and the slot may hold another card by now.
insert into sms (bucket, gateway_id, key, direction, imsi, port, slot, pool, pool_slot, at, status, received_at, sealed,
                 iccid, sent_at, smsc, task, took_ms, encoding, status_text, peer, account_id)
select i.bucket, i.gateway_id, i.key, i.direction, i.imsi, i.port, i.slot, i.pool, i.pool_slot, i.at, i.status,
       i.received_at, i.sealed, i.iccid, i.sent_at, i.smsc, i.task, i.took_ms, i.encoding, i.status_text, i.peer,
       i.account_id
from unnest(string_to_array($1, e'\n')::smallint[], string_to_array($2, e'\n')::int[], $3::bytea[], $4::bytea[],
            string_to_array($5, e'\n'), string_to_array($6, e'\n', ''), string_to_array($7, e'\n', '')::int[],
            string_to_array($8, e'\n', '')::int[], $9::text[], string_to_array($10, e'\n', '')::int[],
            $11::timestamptz[], string_to_array($12, e'\n', '')::int[], $13::timestamptz[], $14::bytea[], $15::text[],
            $16::timestamptz[], $17::text[], string_to_array($18, e'\n', '')::int[],
            string_to_array($19, e'\n', '')::int[], $20::text[], $21::text[], $22::bytea[],
            string_to_array($23, e'\n', ''))
     as i (bucket, gateway_id, key, plain, direction, imsi, port, slot, pool, pool_slot, at, status, received_at, sealed,
           iccid, sent_at, smsc, task, took_ms, encoding, status_text, peer, account_id)
where not exists (
    select 1 from sms p where p.gateway_id = i.gateway_id and p.key in (i.key, i.plain)
)
on conflict do nothing
returning gateway_id, key, bucket, imsi, account_id

-- name: known_calls
select gateway_id, key, bucket, imsi, direction, begin_at, answer_at, update_at, end_at, received_at, zone, prefix,
       called_back, account_id
from call_record
join unnest($1::int[], $2::bytea[]) as i (gateway_id, key) using (gateway_id, key)

-- name: save_call
-- Each call once. Whichever report comes first, the row is the same: times are the earliest (an end the latest) of all
-- reports, anything else is what the report that tells most has, where it tells it.
insert into call_record as c (bucket, gateway_id, key, call_id, imsi, port, slot, direction, begin_at, alert_at, answer_at,
                              update_at, end_at, reason_code, reason, received_at, sealed_caller, sealed_callee,
                              sealed_detail, zone, prefix, peer, iccid, at, cause_code, cause, progress, account_id)
select i.*
from unnest($1::smallint[], $2::int[], $3::bytea[], $4::text[], $5::text[], $6::int[], $7::int[], $8::text[],
            $9::timestamptz[], $10::timestamptz[], $11::timestamptz[], $12::timestamptz[], $13::timestamptz[],
            $14::int[], $15::text[], $16::timestamptz[], $17::bytea[], $18::bytea[], $19::bytea[], $20::text[],
            $21::text[], $22::bytea[], $23::text[], $24::timestamptz[], $25::int[], $26::text[], $27::bigint[],
            $28::text[])
     as i (bucket, gateway_id, key, call_id, imsi, port, slot, direction, begin_at, alert_at, answer_at, update_at,
           end_at, reason_code, reason, received_at, sealed_caller, sealed_callee, sealed_detail, zone, prefix, peer,
           iccid, at, cause_code, cause, progress, account_id)
order by i.bucket, i.gateway_id, i.key
on conflict (gateway_id, key, bucket) do update
set imsi = coalesce(c.imsi, excluded.imsi),
    account_id = coalesce(c.account_id, excluded.account_id),
    iccid = coalesce(c.iccid, excluded.iccid),
    port = coalesce(c.port, excluded.port), slot = coalesce(c.slot, excluded.slot),
    begin_at = least(c.begin_at, excluded.begin_at),
    alert_at = least(c.alert_at, excluded.alert_at),
    answer_at = least(c.answer_at, excluded.answer_at),
    update_at = greatest(c.update_at, excluded.update_at),
    end_at = greatest(c.end_at, excluded.end_at),
    at = least(c.at, excluded.at),
    direction = case when excluded.progress >= coalesce(c.progress, 0) then coalesce(excluded.direction, c.direction)
                     else coalesce(c.direction, excluded.direction) end,
    sealed_caller = case when excluded.progress >= coalesce(c.progress, 0)
                         then coalesce(excluded.sealed_caller, c.sealed_caller)
                         else coalesce(c.sealed_caller, excluded.sealed_caller) end,
    sealed_callee = case when excluded.progress >= coalesce(c.progress, 0)
                         then coalesce(excluded.sealed_callee, c.sealed_callee)
                         else coalesce(c.sealed_callee, excluded.sealed_callee) end,
    sealed_detail = case when excluded.progress >= coalesce(c.progress, 0)
                         then coalesce(excluded.sealed_detail, c.sealed_detail)
                         else coalesce(c.sealed_detail, excluded.sealed_detail) end,
    reason_code = case when excluded.progress >= coalesce(c.progress, 0)
                       then coalesce(excluded.reason_code, c.reason_code)
                       else coalesce(c.reason_code, excluded.reason_code) end,
    reason = case when excluded.progress >= coalesce(c.progress, 0) then coalesce(excluded.reason, c.reason)
                  else coalesce(c.reason, excluded.reason) end,
    cause_code = case when excluded.progress >= coalesce(c.progress, 0)
                      then coalesce(excluded.cause_code, c.cause_code)
                      else coalesce(c.cause_code, excluded.cause_code) end,
    cause = case when excluded.progress >= coalesce(c.progress, 0) then coalesce(excluded.cause, c.cause)
                 else coalesce(c.cause, excluded.cause) end,
    zone = case when excluded.progress >= coalesce(c.progress, 0) then coalesce(excluded.zone, c.zone)
                else coalesce(c.zone, excluded.zone) end,
    prefix = case when excluded.progress >= coalesce(c.progress, 0) then coalesce(excluded.prefix, c.prefix)
                  else coalesce(c.prefix, excluded.prefix) end,
    peer = case when excluded.progress >= coalesce(c.progress, 0) then coalesce(excluded.peer, c.peer)
                else coalesce(c.peer, excluded.peer) end,
    progress = greatest(c.progress, excluded.progress),
    received_at = greatest(c.received_at, excluded.received_at)
returning gateway_id, key, imsi, direction, begin_at, answer_at, update_at, end_at, received_at, zone, prefix, called_back,
          account_id

-- name: take_call
delete from call_record where bucket = $1 and gateway_id = $2 and key = $3 returning *

-- name: put_call
insert into call_record (bucket, gateway_id, key, call_id, imsi, port, slot, direction, begin_at, alert_at, answer_at,
                         update_at, end_at, reason_code, reason, received_at, sealed_caller, sealed_callee,
                         sealed_detail, zone, prefix, peer, iccid, at, cause_code, cause, progress, called_back)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25,
        $26, $27, $28)

-- name: call_back
-- Calls that a SIM made to numbers that had called it before; in whichever order the two came to be known.
update call_record c set called_back = true
from (
    select p.bucket, p.peer, min(p.begin_at) as begin_at
    from unnest($1::smallint[], $2::bytea[]) as i (bucket, peer)
    join call_record p on p.bucket = i.bucket and p.peer = i.peer and p.bucket = any ($1::smallint[]) /* shards */
    where p.direction = 'inbound'
    group by p.bucket, p.peer
) f
where c.bucket = f.bucket and c.peer = f.peer and c.bucket = any ($1::smallint[]) /* shards */
  and c.direction = 'outbound' and not c.called_back and c.begin_at > f.begin_at
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
