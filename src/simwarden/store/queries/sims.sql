-- name: find
-- $4: the bucket of an IMSI, under which the SIM itself is found. Not all columns are read, and lists only that are not
-- empty: each takes time to decode, and every call comes by here.
select i.ord, s.bucket, s.imsi, s.account_id, s.iccid, s.msisdn, s.nai, s.binding, s.state,
       s.seen_at, s.seen_imei, s.seen_unknown, s.seen_gateway, s.seen_port, s.seen_slot, s.seen_device_at,
       s.lifecycle, s.lifecycle_since, s.created_at, s.number_new,
       nullif(s.bars, '[]') as bars, nullif(s.closed_apns, '[]') as closed_apns,
       s.first_event, s.reported_iccid, s.event_count, s.upheld_at, s.limits, s.area
from unnest(string_to_array($1, e'\n'), string_to_array($2, e'\n'), string_to_array($3, e'\n'),
            string_to_array($4, e'\n', '')::smallint[])
     with ordinality as i (kind, value, account_id, bucket, ord)
left join sim_identifier d on i.bucket is null and d.kind = i.kind and d.value = i.value and d.account_id = i.account_id
join sim s on s.bucket = coalesce(d.bucket, i.bucket) and s.imsi = coalesce(d.imsi, i.value)
          and s.account_id = i.account_id
where i.ord between 1 and 1000000000 /* one plan */

-- name: of_imsis
-- The columns of `find`, of SIMs of any account.
select s.bucket, s.imsi, s.account_id, s.iccid, s.msisdn, s.nai, s.binding, s.state,
       s.seen_at, s.seen_imei, s.seen_unknown, s.seen_gateway, s.seen_port, s.seen_slot, s.seen_device_at,
       s.lifecycle, s.lifecycle_since, s.created_at, s.number_new,
       nullif(s.bars, '[]') as bars, nullif(s.closed_apns, '[]') as closed_apns,
       s.first_event, s.reported_iccid, s.event_count, s.upheld_at, s.limits, s.area
from sim s
join unnest($1::smallint[], $2::text[]) with ordinality as i (bucket, imsi, ord)
  on s.bucket = i.bucket and s.imsi = i.imsi and s.bucket = any ($1::smallint[]) /* shards */
where i.ord between 1 and 1000000000 /* one plan */

-- name: walk
select s.bucket, s.imsi from sim s
where s.bucket = any ($1::smallint[]) and (s.bucket, s.imsi) > ($2::smallint, $3::text)
order by s.bucket, s.imsi limit $4

-- name: lock
select s.* from sim s
join unnest($1::smallint[], $2::text[]) with ordinality as i (bucket, imsi, ord)
  on s.bucket = i.bucket and s.imsi = i.imsi and s.bucket = any ($1::smallint[]) /* shards */
where i.ord between 1 and 1000000000 /* one plan */
order by s.bucket, s.imsi
for update of s

-- name: interesting
-- $1: the buckets that are concerned.
select i.ord, s.imsi is null as unknown
from unnest(string_to_array($2, e'\n')::smallint[], string_to_array($3, e'\n'), string_to_array($4, e'\n', ''),
            string_to_array($5, e'\n')::timestamptz[], string_to_array($6, e'\n', '')::int[],
            string_to_array($7, e'\n', '')::int[], string_to_array($8, e'\n', '')::int[],
            string_to_array($9, e'\n', ''))
     with ordinality as i (bucket, imsi, imei, at, gateway, port, slot, iccid, ord)
left join sim s on s.bucket = i.bucket and s.imsi = i.imsi and s.bucket = any ($1::smallint[]) /* shards */
where i.ord between 1 and 1000000000 /* one plan */ and (
   s.imsi is null
   or s.seen_at is null
   or (i.imei is null) <> s.seen_unknown
   or i.imei <> s.seen_imei
   or s.seen_imei is null
   or (s.state = 'ARMED' and i.imei is not null)
   or i.gateway <> s.seen_gateway
   or (i.gateway is not null and s.seen_gateway is null)
   or i.port <> s.seen_port
   or i.slot <> s.seen_slot
   or i.at >= s.seen_at + $10::interval
   or s.reported_iccid <> i.iccid
   or (s.reported_iccid is null and s.iccid <> i.iccid and not starts_with(s.iccid, i.iccid)
       and not starts_with(i.iccid, s.iccid))
   or s.upheld_at is not null)

-- name: confirmed
select s.imsi, g.id as gateway_id, g.status_at, g.report_interval
from sim s
join unnest($1::smallint[], $2::text[]) with ordinality as i (bucket, imsi, ord)
  on s.bucket = i.bucket and s.imsi = i.imsi and s.bucket = any ($1::smallint[]) /* shards */
join gateway_port p on p.gateway_id = s.seen_gateway and p.port = s.seen_port and p.slot = s.seen_slot
     and (p.imsi = s.imsi or p.imsi is null and p.iccid = s.iccid)
join gateway g on g.id = p.gateway_id
where i.ord between 1 and 1000000000 /* one plan */

-- name: save
update sim s
set binding = i.binding, state = nullif(i.state, 'NEUTRAL'),
    seen_at = i.seen_at, seen_imei = i.seen_imei, seen_unknown = i.seen_unknown,
    seen_gateway = i.seen_gateway, seen_port = i.seen_port, seen_slot = i.seen_slot,
    bars = i.bars, functions_off = i.functions_off, event_count = i.event_count,
    lifecycle = nullif(i.lifecycle, 'ACTIVE'), lifecycle_since = coalesce(i.lifecycle_since, s.lifecycle_since),
    closed_apns = i.closed_apns, reported_iccid = i.reported_iccid, upheld_at = i.upheld_at, limits = i.limits, due_at = i.due_at,
    area = i.area, seen_device_at = i.seen_device_at
from unnest($1::smallint[], string_to_array($2, e'\n'), string_to_array($3, e'\n', '')::jsonb[],
            string_to_array($4, e'\n'), string_to_array($5, e'\n', '')::timestamptz[], string_to_array($6, e'\n', ''),
            string_to_array($7, e'\n')::boolean[], string_to_array($8, e'\n', '')::int[],
            string_to_array($9, e'\n', '')::int[], string_to_array($10, e'\n', '')::int[],
            string_to_array($11, e'\n', '')::jsonb[], string_to_array($12, e'\n')::smallint[],
            string_to_array($13, e'\n')::int[], string_to_array($14, e'\n'),
            string_to_array($15, e'\n', '')::timestamptz[], string_to_array($16, e'\n', '')::jsonb[],
            string_to_array($17, e'\n', ''), string_to_array($18, e'\n', '')::timestamptz[],
            string_to_array($19, e'\n', '')::jsonb[], string_to_array($20, e'\n', '')::timestamptz[],
            string_to_array($21, e'\n', '')::jsonb[], string_to_array($22, e'\n', '')::timestamptz[])
     with ordinality as i (
           bucket, imsi, binding, state, seen_at, seen_imei, seen_unknown, seen_gateway, seen_port, seen_slot,
           bars, functions_off, event_count, lifecycle, lifecycle_since, closed_apns,
           reported_iccid, upheld_at, limits, due_at, area, seen_device_at, ord)
where s.bucket = i.bucket and s.imsi = i.imsi and s.bucket = any ($1::smallint[]) /* shards */
  and i.ord between 1 and 1000000000 /* one plan */

-- name: add_events
insert into event (bucket, imsi, n, type, at, parent, cause, data)
select * from unnest(string_to_array($1, e'\n')::smallint[], string_to_array($2, e'\n'), string_to_array($3, e'\n')::int[],
                     string_to_array($4, e'\n'), string_to_array($5, e'\n')::timestamptz[],
                     string_to_array($6, e'\n', '')::int[], string_to_array($7, e'\n')::jsonb[],
                     string_to_array($8, e'\n')::jsonb[])

-- name: event_counts_of_deleted
select d.imsi, max(d.event_count) as n
from unnest($1::smallint[], $2::text[]) as i (bucket, imsi)
join sim_deleted d on d.bucket = i.bucket and d.imsi = i.imsi
group by d.imsi

-- name: insert
insert into sim (bucket, imsi, account_id, iccid, msisdn, nai, lifecycle, functions_off, binding, state, bars,
                 first_event, event_count, created_at, number_new)
select bucket, imsi, $3, iccid, msisdn, nai, nullif(lifecycle, 'ACTIVE'), functions_off, binding,
       nullif(state, 'NEUTRAL'), bars, first_event, event_count, $14, number_new
from unnest(string_to_array($1, e'\n')::smallint[], string_to_array($2, e'\n'), string_to_array($4, e'\n', ''),
            string_to_array($5, e'\n', ''), string_to_array($6, e'\n', ''), string_to_array($7, e'\n'),
            string_to_array($8, e'\n')::smallint[], string_to_array($9, e'\n', '')::jsonb[],
            string_to_array($10, e'\n'), string_to_array($11, e'\n', '')::jsonb[], string_to_array($12, e'\n')::int[],
            string_to_array($13, e'\n')::int[], string_to_array($15, e'\n', '')::boolean[])
     as i (bucket, imsi, iccid, msisdn, nai, lifecycle, functions_off, binding, state, bars, first_event, event_count,
           number_new)

-- name: insert_first_events
insert into event (bucket, imsi, n, type, at, cause, data)
select i.bucket, i.imsi, i.n, $3, $4, $5, jsonb_build_object('lifecycle', i.lifecycle)
from unnest(string_to_array($1, e'\n')::smallint[], string_to_array($2, e'\n'), string_to_array($6, e'\n')::int[],
            string_to_array($7, e'\n')) as i (bucket, imsi, n, lifecycle)

-- name: bury
insert into sim_deleted (bucket, imsi, first_event, event_count, account_id, iccid, msisdn, nai, created_at, deleted_at)
select s.bucket, s.imsi, s.first_event, i.event_count, s.account_id, s.iccid, s.msisdn, s.nai, s.created_at, $4
from sim s
join unnest($1::smallint[], $2::text[], $3::int[]) as i (bucket, imsi, event_count) on s.bucket = i.bucket and s.imsi = i.imsi
where s.bucket = any ($1::smallint[])

-- name: delete
delete from sim s
using unnest($1::smallint[], $2::text[]) as i (bucket, imsi)
where s.bucket = i.bucket and s.imsi = i.imsi and s.bucket = any ($1::smallint[])

-- name: latest_events
select n, type, at, parent, cause, data from event
where bucket = $1 and imsi = $2 and n >= $3
order by n desc limit $4

-- name: lifecycle_events
select n, type, at, parent, cause, data from event
where bucket = $1 and imsi = $2 and n >= $3 and type in ('SIM_ADDED', 'LIFECYCLE_CHANGED')
order by n desc limit $4

-- name: device_dates
select
  (select at from event
   where bucket = $1 and imsi = $2 and n >= $3 and type = 'DEVICE_CHANGED' and data ->> 'before' is not null
   order by n desc limit 1) as changed,
  (select at from event
   where bucket = $1 and imsi = $2 and n >= $3 and type = 'SIM_CHANGED'
     and data -> 'before' ->> 'msisdn' is distinct from data -> 'after' ->> 'msisdn'
   order by n desc limit 1) as numbered,
  (select at from event
   where bucket = $1 and imsi = $2 and n >= $3 and type in ('DEVICE_SEEN', 'DEVICE_CHANGED')
   order by n limit 1) as first_seen

-- name: turned_on
select case when type = 'FUNCTION_OPENED' then data ->> 'function' end as function, max(at) as at
from event
where bucket = $1 and imsi = $2 and n >= $3
  and type in ('SIM_ADDED', 'FUNCTION_OPENED', 'BAR_LIFTED', 'LIFECYCLE_CHANGED')
group by 1

-- name: page
select s.* from sim s
where ($1::text is null or s.account_id = $1) and ($2::text is null or coalesce(s.state, 'NEUTRAL') = $2) and s.imsi > $3
order by s.imsi limit $4

-- name: any_account
select i.ord, s.*
from unnest($1::text[], $2::text[], $3::smallint[]) with ordinality as i (kind, value, bucket, ord)
left join sim_identifier d on i.bucket is null and d.kind = i.kind and d.value = i.value
join sim s on s.bucket = coalesce(d.bucket, i.bucket) and s.imsi = coalesce(d.imsi, i.value)
order by i.ord limit 1

-- name: accounts_of
select imsi, account_id from sim where bucket = any ($1::smallint[]) and imsi = any ($2::text[])

-- name: awaiting_proof
select imsi from sim where bucket = any ($1::smallint[]) and imsi = any ($2::text[]) and upheld_at is not null
