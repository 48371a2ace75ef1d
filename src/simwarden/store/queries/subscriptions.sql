-- Subscriptions, and the growth of their queues. Every statement carries the bucket; those on several rows
-- (`bucket = any`) are given the buckets of one shard where there are shards.

-- name: lock_seen
select case when seen_unknown then null else seen_imei end as imei, event_count, msisdn
from sim
where bucket = $1 and imsi = $2 and account_id = $3
for share

-- name: insert
insert into subscription (bucket, id, imsi, account_id, app_key, api, topic, type, protocol, sink, origin,
                          protocol_settings, device, config, credential, credential_expires_at, signing_secrets,
                          status, starts_at, expires_at, ends_at, max_events, created_at, inbox, told_event, sealed_target)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25,
        $26)

-- name: find
select * from subscription where bucket = $1 and id = $2 and app_key = $3 and status <> 'DELETED'

-- name: list_of
-- Those that are live ($4 false), or those that ended.
select * from subscription
where bucket = any ($1::smallint[]) and app_key = $2 and api = $3 and status <> 'DELETED'
  and (ended_at is not null) = $4 and (created_at, id) < ($5::timestamptz, $6::text)
  and ($7::text is null or imsi = $7)
order by created_at desc, id desc
limit $8

-- name: page
select * from subscription
where bucket = any ($1::smallint[]) and ($2::text is null or account_id = $2) and ($3 or ended_at is null)
order by created_at desc, id desc
limit $4

-- name: lock_listening
select s.* from subscription s
join unnest($1::smallint[], $2::text[]) as i (bucket, imsi) on s.bucket = i.bucket and s.imsi = i.imsi
where s.bucket = any ($1::smallint[]) and s.ended_at is null and s.topic = any ($3::text[])
order by s.bucket, s.id
for update of s

-- name: lock_living
select s.* from subscription s
join unnest($1::smallint[], $2::text[]) as i (bucket, imsi) on s.bucket = i.bucket and s.imsi = i.imsi
where s.bucket = any ($1::smallint[]) and s.ended_at is null
order by s.bucket, s.id
for update of s

-- name: lock_one
select * from subscription
where bucket = $1 and id = $2 and app_key = $3 and status <> 'DELETED'
for update

-- name: lock_any
select * from subscription where bucket = $1 and id = $2 for update

-- name: lock_ending
select * from subscription
where bucket = any ($1::smallint[]) and ended_at is null and ends_at <= now()
order by bucket, id
limit $2
for update

-- name: save_secrets
update subscription set signing_secrets = $3 where bucket = $1 and id = $2

-- name: prune
delete from subscription s
where s.bucket = any ($1::smallint[]) and s.ended_at < $2 and (s.lane_due_at is null or s.paused_at is not null)
  and not exists (select 1 from delivery d where d.bucket = s.bucket and d.subscription_id = s.id)

-- name: tally
insert into subscription_tally (account_id, app_key, slot, active)
select * from unnest($1::text[], $2::text[], $3::smallint[], $4::bigint[])
on conflict (account_id, app_key, slot) do update set active = greatest(subscription_tally.active + excluded.active, 0)

-- name: lock_making
-- Whoever subscribes to a SIM is alone with it until the transaction ends, and beside others of the account,
select pg_advisory_xact_lock(hashtextextended('subscribe ' || $1 || ' ' || $2, 0)),
       pg_advisory_xact_lock_shared(hashtextextended('subscribe ' || $1, 0))

-- name: lock_making_alone
-- or alone with the whole account.
select pg_advisory_xact_lock(hashtextextended('subscribe ' || $1 || ' ' || $2, 0)),
       pg_advisory_xact_lock(hashtextextended('subscribe ' || $1, 0))

-- name: active
select (select count(*) from subscription s
        where s.bucket = $1 and s.imsi = $2 and s.ended_at is null and s.account_id = $3 and s.app_key = $4) as app_and_sim,
       (select count(*) from subscription s
        where s.bucket = $1 and s.imsi = $2 and s.ended_at is null and s.account_id = $3) as sim,
       coalesce(sum(active) filter (where app_key = $4), 0)::bigint as app,
       coalesce(sum(active), 0)::bigint as account
from subscription_tally
where account_id = $3
