-- Short messages on their way out. Every statement on them carries the bucket.

-- name: add
insert into outgoing_message (bucket, id, recipient, imsi, account_id, app_key, stage, peer, sealed, queued_at, moved_at,
                              due_at, gateway_id, target)
select $1, $2, i.recipient, $3, $4, $5, 0, i.peer, i.sealed, $6, $6, $6, $7, $8
from unnest($9::smallint[], $10::bytea[], $11::bytea[]) as i (recipient, peer, sealed)
on conflict do nothing

-- name: wake
select pg_notify('simwarden_sending', '')

-- name: waiting
select count(*) from (
    select 1 from outgoing_message
    where bucket = any ($1::smallint[]) and account_id = $2 and due_at is not null
    limit $3
) o

-- name: lately
select count(*) from (
    select 1 from outgoing_message
    where bucket = any ($1::smallint[]) and account_id = $2 and queued_at > $3
    limit $4
) o

-- name: carrier
select kind, command_url from gateway where id = $1

-- name: centre
-- A network element that sends from any number, and reports for this account.
select id from gateway
where kind = any ($1::text[]) and command_url is not null and (account_id is null or account_id = $2)
order by account_id nulls last, id
limit 1

-- name: due
-- What is to be tried or has run out of time, with where the SIM is now; none that goes by the elements $3.
select o.bucket, o.id, o.recipient, o.imsi, o.account_id, o.stage, o.sealed, o.gateway_id, o.target, o.task, o.queued_at,
       s.imsi is not null as is_there, s.seen_gateway, s.seen_port, s.seen_slot
from outgoing_message o
left join sim s on s.bucket = o.bucket and s.imsi = o.imsi and s.account_id = o.account_id
                   and s.bucket = any ($1::smallint[])
where o.bucket = any ($1::smallint[]) and o.due_at <= $2
  and coalesce(o.gateway_id, s.seen_gateway, 0) <> all ($3::int[])
order by o.due_at, o.id, o.recipient
limit $4

-- name: next_due
select min(due_at) from outgoing_message where bucket = any ($1::smallint[]) and due_at is not null

-- name: tasks
insert into gateway_task (gateway_id, n) values ($1, $2)
on conflict (gateway_id) do update set n = gateway_task.n + $3
returning n

-- name: assign
update outgoing_message o
set gateway_id = i.gateway_id, target = i.target, task = i.task, due_at = i.due_at, attempts = o.attempts + 1
from unnest($1::smallint[], $2::text[], $3::smallint[], $4::int[], $5::text[], $6::int[], $7::timestamptz[])
     as i (bucket, id, recipient, gateway_id, target, task, due_at)
where o.bucket = any ($1::smallint[]) and o.bucket = i.bucket and o.id = i.id and o.recipient = i.recipient and o.stage = 0
returning o.bucket, o.id, o.recipient

-- name: put_off
-- Still queued, and nobody's task any more. Who sends from a number, not from a slot, stays the one who does.
update outgoing_message o
set gateway_id = case when o.target like '+%' then o.gateway_id end, target = case when o.target like '+%' then o.target end,
    task = null, due_at = i.due_at
from unnest($1::smallint[], $2::text[], $3::smallint[], $4::timestamptz[]) as i (bucket, id, recipient, due_at)
where o.bucket = any ($1::smallint[]) and o.bucket = i.bucket and o.id = i.id and o.recipient = i.recipient and o.stage = 0

-- name: wait
-- Still queued, and whose task it is as before.
update outgoing_message o set due_at = $4
from unnest($1::smallint[], $2::text[], $3::smallint[]) as i (bucket, id, recipient)
where o.bucket = any ($1::smallint[]) and o.bucket = i.bucket and o.id = i.id and o.recipient = i.recipient and o.stage = 0

-- name: move
-- Forward only: what is final stays.
update outgoing_message o
set stage = i.stage, reason = i.reason, due_at = i.due_at, moved_at = i.moved_at
from unnest($1::smallint[], $2::text[], $3::smallint[], $4::smallint[], $5::text[], $6::timestamptz[], $7::timestamptz[])
     as i (bucket, id, recipient, stage, reason, due_at, moved_at)
where o.bucket = any ($1::smallint[]) and o.bucket = i.bucket and o.id = i.id and o.recipient = i.recipient
  and o.stage < 3 and o.stage < i.stage
returning o.bucket, o.id, o.recipient, o.gateway_id

-- name: kinds
select id, kind from gateway where id = any ($1::int[])

-- name: of_tasks
select bucket, id, recipient, imsi, account_id, gateway_id, task, peer from outgoing_message
where bucket = any ($1::smallint[]) and gateway_id = any ($2::int[]) and task = any ($3::int[])

-- name: unreported
-- Messages from these SIMs to these numbers of which no delivery was reported, the oldest first, so many of each pair.
select m.bucket, m.id, m.recipient, m.imsi, m.peer
from unnest($2::smallint[], $3::text[], $4::bytea[], $5::int[]) as i (bucket, imsi, peer, n)
cross join lateral (
    select o.bucket, o.id, o.recipient, o.imsi, o.peer, o.queued_at from outgoing_message o
    where o.bucket = any ($1::smallint[]) and o.bucket = i.bucket and o.imsi = i.imsi and o.peer = i.peer
      and o.queued_at > $6 and o.stage in (1, 2)
    order by o.queued_at, o.id, o.recipient
    limit i.n
) m
order by m.queued_at, m.id, m.recipient

-- name: prune
delete from outgoing_message
where bucket = $1 and queued_at < $2
  and id = any (array(select id from outgoing_message where bucket = $1 and queued_at < $2 order by queued_at limit $3))
