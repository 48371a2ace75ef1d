-- The addresses that the sessions of SIMs have.

-- name: find
-- $1: all buckets. Whose session has an address now, where that is a SIM of who asks: at each element the newest, as an
-- address is given to one device at a time; two elements that both gave it to somebody have networks of their own, and
-- then it says nothing. $6, $7: IPv6 prefixes that hold the address.
with held as materialized (
    select i.ord, s.gateway_id, s.bucket, s.imsi, s.began_at
    from unnest($2::bigint[], $3::text[]) as i (ord, address)
    join session s on s.ipv4 = i.address and s.ended_at is null and s.bucket = any ($1::smallint[])
    left join session_restart r on r.gateway_id = s.gateway_id
    where r.restarted_at is null or s.began_at >= r.restarted_at
    union all
    select i.ord, s.gateway_id, s.bucket, s.imsi, s.began_at
    from unnest($6::bigint[], $7::text[]) as i (ord, prefix)
    join session s on s.ipv6 = i.prefix and s.ended_at is null and s.bucket = any ($1::smallint[])
    left join session_restart r on r.gateway_id = s.gateway_id
    where r.restarted_at is null or s.began_at >= r.restarted_at
), newest as materialized (
    select distinct on (ord, gateway_id) ord, bucket, imsi from held order by ord, gateway_id, began_at desc, imsi
), sole as materialized (
    select ord, min(bucket) as bucket, min(imsi) as imsi from newest group by ord having count(*) = 1
)
select o.ord, o.imsi
from sole o
join unnest($4::bigint[], $5::text[]) as i (ord, account_id) on i.ord = o.ord
join sim m on m.bucket = o.bucket and m.imsi = o.imsi and m.account_id = i.account_id and m.bucket = any ($1::smallint[])
