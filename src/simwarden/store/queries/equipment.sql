-- What an equipment check asks for, in one statement.

-- name: asked
-- The columns of `find` (sims.sql) of a SIM, whosever it is, all null if there is none; and the lists that the device
-- is on, by itself or by the range that its model is in.
select i.ord, s.bucket, s.imsi, s.account_id, s.iccid, s.msisdn, s.nai, s.binding, s.state,
       s.seen_at, s.seen_imei, s.seen_unknown, s.seen_gateway, s.seen_port, s.seen_slot, s.seen_device_at,
       s.lifecycle, s.lifecycle_since, s.created_at, s.number_new,
       nullif(s.bars, '[]') as bars, nullif(s.closed_apns, '[]') as closed_apns,
       s.first_event, s.reported_iccid, s.event_count, s.upheld_at, s.limits, s.area,
       array(select d.list from listed_device d where d.value = i.imei
             union all
             select d.list from listed_device d where d.tacs @> left(i.imei, 8)::int) as lists
from unnest($2::smallint[], $3::text[], $4::text[]) with ordinality as i (bucket, imsi, imei, ord)
left join sim s on s.bucket = i.bucket and s.imsi = i.imsi and s.bucket = any ($1::smallint[]) /* shards */
where i.ord between 1 and 1000000000 /* one plan */
