-- name: reopen
-- What comes back soon after its end is the same alarm.
update alarm a
set cleared_at = null, cleared_because = null, ends_at = null, acknowledged_at = null, acknowledged_by = null,
    reopened = a.reopened + 1, count = a.count + i.times, last_at = $9, severity = i.severity,
    facts = a.facts || i.facts, version = a.version + 1
from unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::text[], $6::text[], $7::jsonb[], $8::int[])
     as i (kind, subject, severity, gateway_id, imsi, account_id, facts, times)
where a.id = (select max(b.id) from alarm b where b.kind = i.kind and b.subject = i.subject)
  and a.cleared_at > $10
returning a.kind, a.subject

-- name: raise
insert into alarm as a (kind, subject, severity, gateway_id, imsi, account_id, facts, first_at, last_at, count)
select i.kind, i.subject, i.severity, i.gateway_id, i.imsi, i.account_id,
       jsonb_strip_nulls(jsonb_build_object('gateway', g.name, 'account', c.name)) || i.facts, $9, $9, i.times
from unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::text[], $6::text[], $7::jsonb[], $8::int[])
     as i (kind, subject, severity, gateway_id, imsi, account_id, facts, times)
left join gateway g on g.id = i.gateway_id
left join account c on c.id = i.account_id
order by i.kind, i.subject
on conflict (kind, subject) where cleared_at is null do update
set last_at = excluded.last_at, count = a.count + excluded.count, facts = excluded.facts, severity = excluded.severity,
    ends_at = null, version = a.version + (a.severity <> excluded.severity)::int

-- name: clear
with over as (
    select a.id from alarm a
    join unnest($1::text[], $2::text[]) as i (kind, subject) on a.kind = i.kind and a.subject = i.subject
    where a.cleared_at is null
    order by a.kind, a.subject
    for update of a
)
update alarm a
set cleared_at = case when a.reopened < $5 then $3::timestamptz end,
    ends_at = case when a.reopened >= $5 then coalesce(a.ends_at, $3::timestamptz + $6::interval) end,
    cleared_because = $4,
    version = a.version + (a.reopened < $5)::int
from over where a.id = over.id

-- name: settle
update alarm set cleared_at = $1, ends_at = null, version = version + 1
where cleared_at is null and ends_at <= $1

-- name: open_subjects
select account_id, subject from alarm where kind = $1 and cleared_at is null and account_id = any ($2::text[])

-- name: page
select * from alarm
where id < $1
  and ($2::boolean is null or (cleared_at is null) = $2)
  and ($3::text is null or kind = $3)
  and ($4::text is null or severity = $4)
  and ($5::boolean is null or (acknowledged_at is not null) = $5)
  and ($6::int is null or gateway_id = $6)
  and ($7::text is null or imsi = $7)
  and ($8::text is null or account_id = $8)
order by id desc
limit $9

-- name: show
select * from alarm where id = $1

-- name: acknowledge
update alarm set acknowledged_at = coalesce(acknowledged_at, $2), acknowledged_by = coalesce(acknowledged_by, $3)
where id = $1
returning *

-- name: unsent_log
select * from alarm where log_version < version order by id limit $1

-- name: unsent_webhook
select * from alarm where webhook_version < version order by id limit $1

-- name: unsent_mail
select * from alarm where mail_version < version order by id limit $1

-- name: sent_log
update alarm a set log_version = i.version
from unnest($1::bigint[], $2::int[]) as i (id, version) where a.id = i.id

-- name: sent_webhook
update alarm a set webhook_version = i.version
from unnest($1::bigint[], $2::int[]) as i (id, version) where a.id = i.id

-- name: sent_mail
update alarm a set mail_version = i.version
from unnest($1::bigint[], $2::int[]) as i (id, version) where a.id = i.id

-- name: skip_webhook
update alarm set webhook_version = version where webhook_version < version

-- name: skip_mail
update alarm set mail_version = version where mail_version < version

-- name: channel
select sent_at, failures, due_at, last_error from alarm_channel where name = $1

-- name: save_channel
insert into alarm_channel as c (name, sent_at, failures, due_at, last_error) values ($1, $2, $3, $4, $5)
on conflict (name) do update
set sent_at = coalesce(excluded.sent_at, c.sent_at), failures = excluded.failures, due_at = excluded.due_at,
    last_error = excluded.last_error

-- name: prune
delete from alarm where cleared_at < $1

-- name: open_counts
select kind, severity, count(*) as count, count(*) filter (where acknowledged_at is null) as unacknowledged
from alarm where cleared_at is null group by kind, severity
