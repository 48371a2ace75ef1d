-- Lists of messages that were sent from SIMs, the newest first, from behind (queued_at, id, recipient) on.

-- name: of_sim
select bucket, id, recipient, imsi, account_id, stage, reason, sealed, gateway_id, target, attempts, queued_at, moved_at
from outgoing_message
where bucket = $1 and imsi = $2 and account_id = $3
  and ($4::timestamptz is null or (queued_at, id, recipient) < ($4, $5::text, $6::smallint))
order by queued_at desc, id desc, recipient desc
limit $7

-- name: of_account
select bucket, id, recipient, imsi, account_id, stage, reason, sealed, gateway_id, target, attempts, queued_at, moved_at
from outgoing_message
where bucket = any ($1::smallint[]) and account_id = $2
  and ($3::timestamptz is null or (queued_at, id, recipient) < ($3, $4::text, $5::smallint))
order by queued_at desc, id desc, recipient desc
limit $6

-- name: one
select bucket, id, recipient, imsi, account_id, stage, reason, sealed, gateway_id, target, attempts, queued_at, moved_at
from outgoing_message
where bucket = $1 and id = $2
order by recipient
