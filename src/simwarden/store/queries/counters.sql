-- Counters that elements keep of SIMs.

-- name: last
-- Of SIMs that are registered: whose they are, and what was shown last.
select i.ord, s.account_id, c.at, c.readings
from unnest($1::smallint[], $2::text[], $3::int[]) with ordinality as i (bucket, imsi, element_id, ord)
join sim s on s.bucket = i.bucket and s.imsi = i.imsi and s.bucket = any ($4::smallint[])
left join counter_last c
  on c.bucket = i.bucket and c.imsi = i.imsi and c.element_id = i.element_id and c.bucket = any ($4::smallint[])

-- name: save_last
insert into counter_last as c (bucket, imsi, element_id, at, readings)
select i.* from unnest($1::smallint[], $2::text[], $3::int[], $4::timestamptz[], $5::jsonb[])
     as i (bucket, imsi, element_id, at, readings)
join sim s on s.bucket = i.bucket and s.imsi = i.imsi and s.bucket = any ($6::smallint[])
order by i.bucket, i.imsi, i.element_id
on conflict (bucket, imsi, element_id) do update set at = excluded.at, readings = excluded.readings

-- name: add_days
insert into counter_day as c (bucket, imsi, day, element_id, account_id, at, call_minutes, calls, talks, messages,
                              megabytes, resets, readings)
select i.* from unnest($1::smallint[], $2::text[], $3::date[], $4::int[], $5::text[], $6::timestamptz[], $7::numeric[],
                       $8::numeric[], $9::numeric[], $10::numeric[], $11::numeric[], $12::int[], $13::jsonb[])
     as i (bucket, imsi, day, element_id, account_id, at, call_minutes, calls, talks, messages, megabytes, resets,
           readings)
join sim s on s.bucket = i.bucket and s.imsi = i.imsi and s.account_id = i.account_id
          and s.bucket = any ($14::smallint[])
order by i.bucket, i.imsi, i.day, i.element_id
on conflict (bucket, imsi, day, element_id) do update
set account_id = excluded.account_id, at = greatest(c.at, excluded.at),
    call_minutes = c.call_minutes + excluded.call_minutes, calls = c.calls + excluded.calls,
    talks = c.talks + excluded.talks, messages = c.messages + excluded.messages,
    megabytes = c.megabytes + excluded.megabytes, resets = c.resets + excluded.resets,
    readings = case when excluded.at >= c.at then excluded.readings else c.readings end

-- name: forget_last
delete from counter_last t
using unnest($1::smallint[], $2::text[]) as i (bucket, imsi)
where t.bucket = i.bucket and t.imsi = i.imsi and t.bucket = any ($1::smallint[])

-- name: forget_days
delete from counter_day t
using unnest($1::smallint[], $2::text[]) as i (bucket, imsi)
where t.bucket = i.bucket and t.imsi = i.imsi and t.bucket = any ($1::smallint[])

-- name: prune_days
delete from counter_day where bucket = $1 and day < $2
  and ctid = any (array(select ctid from counter_day where bucket = $1 and day < $2 limit $3 for update skip locked))

-- name: of_sim
select * from counter_day
where bucket = $1 and imsi = $2 and account_id = $3 and day between $4 and $5
  and ($6::date is null or (day, element_id) < ($6, $7::int))
order by day desc, element_id desc limit $8

-- name: of_account
select * from counter_day
where bucket = any ($1::smallint[]) and account_id = $2 and day between $3 and $4
  and ($5::date is null or (day, bucket, imsi, element_id) < ($5, $6::smallint, $7::text, $8::int))
order by day desc, bucket desc, imsi desc, element_id desc limit $9

-- name: shown_last
select element_id, at, readings from counter_last where bucket = $1 and imsi = $2 order by at desc limit $3
