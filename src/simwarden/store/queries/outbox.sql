-- What is added to the queues of subscriptions. Every statement carries the bucket of each row.

-- name: add_deliveries
insert into delivery (bucket, subscription_id, n, imsi, event, event_id, type, time, data, correlator, ends,
                      status, created_at, queued_at)
select i.*, 'PENDING', now(), now()
from unnest($1::smallint[], $2::text[], $3::int[], $4::text[], $5::int[], $6::text[], $7::text[], $8::timestamptz[],
            $9::jsonb[], $10::text[], $11::boolean[]) as i

-- name: save
update subscription s
set delivery_count = i.delivery_count, event_count = i.event_count, status = i.status,
    ended_at = i.ended_at, ended_reason = i.ended_reason,
    lane_due_at = case when i.told then coalesce(s.lane_due_at, now()) else s.lane_due_at end, told_event = i.told_event
from unnest($1::smallint[], $2::text[], $3::int[], $4::int[], $5::text[], $6::timestamptz[], $7::text[], $8::boolean[],
            $9::int[])
     as i (bucket, id, delivery_count, event_count, status, ended_at, ended_reason, told, told_event)
where s.bucket = i.bucket and s.id = i.id and s.bucket = any ($1::smallint[])

-- name: wake
select pg_notify('simwarden_delivery', '')

-- name: uncount
-- Those of these subscriptions that are about to end. In one order, so that two who do this do not wait for each other.
insert into subscription_tally (account_id, app_key, slot, active)
select s.account_id, s.app_key, s.bucket % 16, -count(*)
from subscription s
join unnest($1::smallint[], $2::text[]) as i (bucket, id) on i.bucket = s.bucket and i.id = s.id
where s.bucket = any ($1::smallint[]) and s.ended_at is null
group by 1, 2, 3
order by 1, 2, 3
on conflict (account_id, app_key, slot) do update set active = greatest(subscription_tally.active + excluded.active, 0)

-- name: unwatch
-- What ended subscriptions waited for costs those who take in reports nothing any more.
delete from hotzone_watch w using unnest($1::smallint[], $2::text[]) as i (bucket, id)
where w.bucket = i.bucket and w.subscription_id = i.id and w.bucket = any ($1::smallint[])

-- name: unwatch_all
delete from hotzone_watch_all where subscription_id = any ($1::text[])
