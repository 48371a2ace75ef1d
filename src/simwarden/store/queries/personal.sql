-- Personal data and sinks' secrets from before they were sealed, and records that are old. Rows that somebody works on
-- are left for the next round.

-- name: plain_sms
select bucket, gateway_id, key, sender, receiver, content, detail from sms
where sealed is null
order by received_at limit $1
for update skip locked

-- name: drop_sms_again
-- What a server of the version before stored, and this one had stored already.
delete from sms s
using unnest($1::smallint[], $2::int[], $3::bytea[], $4::bytea[]) as i (bucket, gateway_id, key, new_key)
where s.bucket = i.bucket and s.gateway_id = i.gateway_id and s.key = i.key
  and exists (select 1 from sms n where n.bucket = i.bucket and n.gateway_id = i.gateway_id and n.key = i.new_key)

-- name: seal_sms
update sms s
set key = i.new_key, sealed = i.sealed, sender = null, receiver = null, content = null, detail = null
from unnest($1::smallint[], $2::int[], $3::bytea[], $4::bytea[], $5::bytea[])
     as i (bucket, gateway_id, key, new_key, sealed)
where s.bucket = i.bucket and s.gateway_id = i.gateway_id and s.key = i.key

-- name: plain_calls
select bucket, gateway_id, key, caller, callee, detail from call_record
where caller is not null or callee is not null or detail is not null
limit $1
for update skip locked

-- name: seal_calls
update call_record c
set sealed_caller = coalesce(c.sealed_caller, i.caller), sealed_callee = coalesce(c.sealed_callee, i.callee),
    sealed_detail = coalesce(c.sealed_detail, i.detail), caller = null, callee = null, detail = null
from unnest($1::smallint[], $2::int[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bytea[])
     as i (bucket, gateway_id, key, caller, callee, detail)
where c.bucket = i.bucket and c.gateway_id = i.gateway_id and c.key = i.key

-- name: plain_subscriptions
select bucket, id, sink, protocol_settings from subscription
where sealed_target is null and (protocol_settings is not null or sink like '%?%')
limit $1
for update skip locked

-- name: seal_subscriptions
update subscription s
set sink = i.sink, protocol_settings = i.settings, sealed_target = i.sealed
from unnest($1::smallint[], $2::text[], $3::text[], $4::jsonb[], $5::bytea[]) as i (bucket, id, sink, settings, sealed)
where s.bucket = i.bucket and s.id = i.id

-- name: plain_rejects
select id, body from gateway_reject where not sealed limit $1 for update skip locked

-- name: seal_rejects
update gateway_reject r set body = i.body, sealed = true
from unnest($1::bigint[], $2::bytea[]) as i (id, body)
where r.id = i.id

-- name: prune_sms
-- The oldest first, from $3 on: where the step before ended, as all before that is dead and in the way until the vacuum.
with gone as (
    delete from sms where received_at < $1
      and ctid = any (array(select ctid from sms where received_at < $1 and received_at >= $3
                            order by received_at limit $2 for update skip locked))
    returning received_at
)
select count(*) as count, max(received_at) as reached from gone

-- name: prune_calls
with gone as (
    delete from call_record where received_at < $1
      and ctid = any (array(select ctid from call_record where received_at < $1 and received_at >= $3
                            order by received_at limit $2 for update skip locked))
    returning received_at
)
select count(*) as count, max(received_at) as reached from gone

-- name: prune_rejects
with gone as (
    delete from gateway_reject where received_at < $1
      and ctid = any (array(select ctid from gateway_reject where received_at < $1 and received_at >= $3
                            order by received_at limit $2 for update skip locked))
    returning received_at
)
select count(*) as count, max(received_at) as reached from gone
