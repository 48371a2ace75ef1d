-- What the operator looks at, page by page. SIMs come in the order of their key, which never changes: a page follows
-- the one before whatever happened meanwhile.

-- name: sims
select s.* from sim s
where (s.bucket, s.imsi) > ($1::smallint, $2::text) and s.bucket between $1 and $3::smallint
  and ($5::text is null or s.account_id = $5)
  and ($6::text is null or coalesce(s.state, 'NEUTRAL') = $6)
  and ($7::text is null or coalesce(s.lifecycle, 'ACTIVE') = $7)
  and ($8::jsonb is null or s.bars @> $8)
  and ($9::text[] is null or s.tags @> $9)
  and ($10::text is null or s.seen_imei between $10 and $10 || 'x')
  and ($11::timestamptz is null or s.seen_at < $11)
  and ($12::timestamptz is null or s.seen_at >= $12)
  and ($13::int is null or s.seen_gateway = $13)
  and ($14::text is null or strpos(s.imsi, $14) > 0 or strpos(s.iccid, $14) > 0 or strpos(s.msisdn, $14) > 0
       or strpos(s.nai, $14) > 0)
  and ($15::boolean is null or (coalesce(s.bars, '[]') <> '[]') = $15)
  and ($16::text[] is null or s.marks @> $16)
order by s.bucket, s.imsi
limit $4

-- name: plan_for_values
-- The statements of this transaction are planned for the values that they get: an index may do for some, and a plan for
-- whatever values use none.
set local plan_cache_mode = force_custom_plan

-- name: events
select n, type, at, parent, cause, data from event
where bucket = $1 and imsi = $2 and n >= $3 and n < $4
order by n desc
limit $5

-- name: set_tags
update sim set tags = nullif($3::text[], '{}') where bucket = $1 and imsi = $2

-- name: tags
select tags from sim where bucket = $1 and imsi = $2

-- name: gateways
select g.*, (select count(*) from gateway_port p where p.gateway_id = g.id and p.imsi is not null) as sims,
       (select count(*) from attachment a where a.element_id = g.id and a.status <> 'APPLIED') as open_enforcements
from gateway g
where g.name collate "C" > $1
order by g.name collate "C"
limit $2

-- name: gateway
select g.*, (select count(*) from gateway_port p where p.gateway_id = g.id and p.imsi is not null) as sims,
       (select count(*) from attachment a where a.element_id = g.id and a.status <> 'APPLIED') as open_enforcements
from gateway g
where g.name = $1

-- name: subscriptions
select * from subscription s
where bucket = any ($1::smallint[]) and (created_at, id) < ($2::timestamptz, $3::text)
  and ($4::text is null or account_id = $4)
  and ($5::text is null or status = $5)
  and ($6::text is null or imsi = $6)
  and (not $8::boolean or exists (
      select 1 from delivery d
      where d.bucket = s.bucket and d.bucket = any ($1::smallint[]) and d.subscription_id = s.id
        and (d.status = 'DEAD' or d.status = 'PENDING' and d.attempts > 0)))
order by created_at desc, id desc
limit $7

-- name: subscription
select * from subscription where bucket = $1 and id = $2

-- name: deliveries
select d.bucket, d.subscription_id, d.n, d.imsi, d.event, d.event_id, d.type, d.time, d.data, d.ends, d.status,
       d.created_at, d.queued_at, d.attempts, d.attempted_at, d.finished_at, d.last_status, d.last_error, s.sink
from delivery d
join subscription s on s.bucket = d.bucket and s.id = d.subscription_id and s.bucket = any ($1::smallint[])
where d.bucket = any ($1::smallint[]) and (d.created_at, d.event_id) < ($2::timestamptz, $3::text)
  and ($4::text is null or s.account_id = $4)
  and ($5::text is null or d.status = $5)
  and ($6::text is null or d.imsi = $6)
  and ($7::text is null or d.subscription_id = $7)
  and ($9::timestamptz is null or d.created_at >= $9)
order by d.created_at desc, d.event_id desc
limit $8

-- name: names_starting
-- Of one kind; by its index.
select bucket, imsi from sim_identifier where kind = $1 and value >= $2 and value < $3 order by value limit $4

-- name: imsis_starting
-- Of a long beginning: an index probe a bucket.
select bucket, imsi from sim where bucket = any ($1::smallint[]) and imsi >= $2 and imsi < $3 order by imsi limit $4

-- name: imsis_starting_soon
-- Of a short one, which many share: in the order of the key, so that it ends soon.
select bucket, imsi from sim
where bucket = any ($1::smallint[]) and imsi >= $2 and imsi < $3
order by bucket, imsi limit $4

-- name: by_keys
select s.* from sim s
join unnest($1::smallint[], $2::text[]) as i (bucket, imsi) on s.bucket = i.bucket and s.imsi = i.imsi
where s.bucket = any ($1::smallint[])
