-- Records that subscribers wait for. Every statement on rows of SIMs carries the bucket.

-- name: listeners
-- Live subscriptions to records of these SIMs, or of whole accounts; $3: IMSIs, and what stands for accounts. Its index
-- is asked for by the condition on `topic`, as it stands.
select s.id, s.imsi, s.account_id, s.topic, s.config
from unnest(string_to_array($2, e'\n')::smallint[], string_to_array($3, e'\n')) as i (bucket, imsi)
join subscription s on s.bucket = i.bucket and s.imsi = i.imsi and s.bucket = any ($1::smallint[]) /* shards */
where s.ended_at is null
  and s.topic in ('MESSAGE_RECORDED', 'CALL_ENDED', 'USAGE_REACHED')

-- name: messages
select r.* from unnest($1::smallint[], $2::int[], $3::bytea[]) as i (bucket, gateway_id, key)
join sms r on r.bucket = i.bucket and r.gateway_id = i.gateway_id and r.key = i.key
where r.bucket = any ($1::smallint[])

-- name: calls
select r.* from unnest($1::smallint[], $2::int[], $3::bytea[]) as i (bucket, gateway_id, key)
join call_record r on r.bucket = i.bucket and r.gateway_id = i.gateway_id and r.key = i.key
where r.bucket = any ($1::smallint[])

-- name: used
-- What SIMs used on days, over all network elements.
select c.imsi, c.day, sum(c.call_minutes) as call_minutes, sum(c.calls) as calls, sum(c.talks) as talks,
       sum(c.messages) as messages, sum(c.megabytes) as megabytes
from unnest($1::smallint[], $2::text[], $3::date[], $4::text[]) as i (bucket, imsi, day, account_id)
join counter_day c on c.bucket = i.bucket and c.imsi = i.imsi and c.day = i.day and c.account_id = i.account_id
where c.bucket = any ($1::smallint[])
group by c.imsi, c.day
