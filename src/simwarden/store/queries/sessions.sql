-- name: find
select s.* from session s
join unnest($1::smallint[], $2::text[], $3::int[], $4::text[]) as i (bucket, imsi, gateway_id, key)
  on s.bucket = i.bucket and s.imsi = i.imsi and s.gateway_id = i.gateway_id and s.key = i.key
where s.bucket = any ($1::smallint[])

-- name: live
select s.* from session s
join unnest($1::smallint[], $2::text[]) as i (bucket, imsi) on s.bucket = i.bucket and s.imsi = i.imsi
where s.bucket = any ($1::smallint[]) and s.gateway_id = $3 and s.ended_at is null
order by s.bucket, s.imsi, s.began_at, s.key

-- name: save
insert into session (bucket, imsi, gateway_id, key, began_at, seen_at, ended_at, imei, presumed,
                     svn, plmn)
select * from unnest($1::smallint[], $2::text[], $3::int[], $4::text[], $5::timestamptz[], $6::timestamptz[],
                     $7::timestamptz[], $8::text[], $9::boolean[], $10::text[], $11::text[])
on conflict (bucket, imsi, gateway_id, key) do update
set began_at = excluded.began_at, seen_at = excluded.seen_at, ended_at = excluded.ended_at, imei = excluded.imei,
    presumed = excluded.presumed, svn = excluded.svn, plmn = excluded.plmn

-- name: forget_oldest
delete from session s
using (
    select bucket, imsi, gateway_id, key,
           row_number() over (partition by bucket, imsi, gateway_id
                              order by ended_at is null desc, seen_at desc, key) as place
    from session
    where bucket = any ($1::smallint[]) and imsi = any ($2::text[]) and gateway_id = any ($3::int[])
) o
where s.bucket = any ($1::smallint[]) and s.bucket = o.bucket and s.imsi = o.imsi and s.gateway_id = o.gateway_id
  and s.key = o.key and o.place > $4

-- name: restarts
select gateway_id, restarted_at from session_restart where gateway_id = any ($1::int[])

-- name: restarted
insert into session_restart as r (gateway_id, restarted_at) values ($1, $2)
on conflict (gateway_id) do update set restarted_at = greatest(r.restarted_at, excluded.restarted_at)

-- name: imsi_of_msisdn
select value, imsi from sim_identifier where kind = 'msisdn' and value = any ($1::text[])

-- name: forget
delete from session where bucket = any ($1::smallint[]) and gateway_id = $2

-- name: prune
delete from session where bucket = $1 and seen_at < $2
