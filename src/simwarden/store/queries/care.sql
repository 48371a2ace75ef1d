-- What the operator does to subscriptions, and what becomes of those whose application is revoked.

-- name: pause
update subscription set paused_at = now(), lane_due_at = 'infinity'
where bucket = $1 and id = $2 and paused_at is null

-- name: paused
-- The notifier drops what it has claimed of this queue.
select pg_notify('simwarden_delivery', $1)

-- name: resume
update subscription set paused_at = null, lane_due_at = now()
where bucket = $1 and id = $2 and paused_at is not null

-- name: wake
select pg_notify('simwarden_delivery', '')

-- name: revoked
-- Revoked applications with live subscriptions here.
select a.app_key, a.successor from application a
where a.revoked_at is not null
  and exists (select 1 from subscription s
              where s.app_key = a.app_key and s.ended_at is null and s.bucket = any ($1::smallint[]))

-- name: lock_live
select * from subscription
where app_key = $1 and ended_at is null and bucket = any ($2::smallint[])
order by bucket, id
limit $3
for update

-- name: hand_over
update subscription set app_key = $3
where bucket = any ($1::smallint[]) and id = any ($2::text[])
