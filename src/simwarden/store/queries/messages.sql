-- Short messages that SIMs received. Every statement on rows of SIMs carries the bucket.

-- name: recipients
select bucket, imsi, account_id, msisdn, nai from sim where bucket = any ($1::smallint[]) and imsi = any ($2::text[])

-- name: wishes
-- Live subscriptions to an event of these SIMs, or of whole accounts; $2: IMSIs, and what stands for accounts.
select s.id, s.imsi, s.config
from subscription s
where s.bucket = any ($1::smallint[]) and s.imsi = any ($2::text[]) and s.topic = $3 and s.ended_at is null

-- name: lock_wide
select * from subscription
where bucket = $1 and imsi = $2 and topic = $3 and id = any ($4::text[]) and ended_at is null
order by id
for update

-- name: take_turns
-- So many messages of accounts are about to be added; from here to the commit nobody else adds any.
insert into short_message_turn (account_id, n)
select * from unnest($1::text[], $2::bigint[])
on conflict (account_id) do update set n = short_message_turn.n + excluded.n
returning account_id, n

-- name: add
insert into short_message (bucket, id, imsi, account_id, n, received_at, sealed)
select * from unnest($1::smallint[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::timestamptz[], $7::bytea[])
on conflict do nothing

-- name: texts
select id, sealed from short_message where bucket = any ($1::smallint[]) and id = any ($2::text[])

-- name: of_account
select n, id, sealed from short_message
where bucket = any ($5::smallint[]) and account_id = $1 and n > $2 and received_at >= $3
order by n limit $4

-- name: of_sim
select n, id, sealed from short_message
where bucket = $5 and imsi = $6 and account_id = $1 and n > $2 and received_at >= $3
order by n limit $4

-- name: find
select imsi, sealed from short_message where bucket = $1 and id = $2 and account_id = $3

-- name: wait
insert into short_message_waiting (bucket, gateway_id, key, imsi, port, slot, received_at, sealed)
select * from unnest($1::smallint[], $2::int[], $3::bytea[], $4::text[], $5::int[], $6::int[], $7::timestamptz[],
                     $8::bytea[])
on conflict do nothing

-- name: waiting
-- The next ones in the order in which they came, behind $2, $3, $4, with the account for whose SIMs alone their gateways
-- report. Of a deleted gateway nobody knows that: its messages go to nobody.
select w.bucket, w.gateway_id, w.key, w.imsi, w.port, w.slot, w.received_at, g.account_id as pinned
from short_message_waiting w
join gateway g on g.id = w.gateway_id
where w.bucket = any ($1::smallint[]) and (w.received_at, w.gateway_id, w.key) > ($2::timestamptz, $3::int, $4::bytea)
order by w.received_at, w.gateway_id, w.key
limit $5

-- name: in_slots
-- The cards that slots hold by now, and whose SIMs alone their gateways report.
select p.gateway_id, p.port, p.slot, p.imsi, g.account_id
from unnest($1::int[], $2::int[], $3::int[]) as i (gateway_id, port, slot)
join gateway_port p on p.gateway_id = i.gateway_id and p.port = i.port and p.slot = i.slot
join gateway g on g.id = i.gateway_id
where p.imsi is not null

-- name: take
delete from short_message_waiting w
using unnest($1::smallint[], $2::int[], $3::bytea[]) as i (bucket, gateway_id, key)
where w.bucket = any ($1::smallint[]) and w.bucket = i.bucket and w.gateway_id = i.gateway_id and w.key = i.key
returning w.gateway_id, w.key, w.sealed

-- name: lives
-- When SIMs that had these IMSIs before were deleted last: what came until then was theirs.
select imsi, max(deleted_at) as deleted_at from sim_deleted
where bucket = any ($1::smallint[]) and imsi = any ($2::text[])
group by imsi

-- name: forget_waiting
delete from short_message_waiting where bucket = any ($1::smallint[]) and received_at < $2

-- name: prune
delete from short_message
where bucket = $1 and received_at < $2
  and id = any (array(select id from short_message where bucket = $1 and received_at < $2 limit $3))
