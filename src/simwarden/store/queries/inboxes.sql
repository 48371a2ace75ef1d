-- name: insert
insert into inbox (id, account_id, app_key, name, secret) values ($1, $2, $3, $4, $5)
on conflict (app_key, name) do nothing
returning *

-- name: of_name
select * from inbox where app_key = $1 and name = $2

-- name: find
-- One of this application, or of any of this account.
select * from inbox where id = $1 and ($2::text is null or app_key = $2) and ($3::text is null or account_id = $3)

-- name: due
select bucket, id from subscription
where bucket = any ($1::smallint[]) and inbox = $2 and lane_due_at <= now()
order by lane_due_at
limit $3

-- name: take
-- Whoever takes a queue has it until the time is over; what is not acknowledged by then is offered again.
update subscription
set lane_due_at = now() + $4::interval
where bucket = any ($1::smallint[]) and id = any ($2::text[]) and inbox = $3 and lane_due_at <= now()
returning bucket, id, account_id, sink, origin, protocol_settings, sealed_target, credential, signing_secrets,
          ended_at is not null as ended, lane_next, delivery_count

-- name: next_due
select extract(epoch from min(lane_due_at) - now())::float8
from subscription where bucket = any ($1::smallint[]) and inbox = $2 and lane_due_at is not null

-- name: head
-- A delivery of a queue that leads here, and the first one of the queue that is still pending.
select d.status, d.attempts, d.queued_at, s.lane_next, s.credential is not null as has_token,
       (select min(p.n) from delivery p
        where p.bucket = $1 and p.subscription_id = $2 and p.n >= s.lane_next and p.status = 'PENDING') as first
from subscription s
join delivery d on d.bucket = $1 and d.subscription_id = s.id and d.n = $3
where s.bucket = $1 and s.id = $2 and s.inbox = $4
