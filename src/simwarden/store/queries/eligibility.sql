-- name: insert
-- The commit is not waited for: an answer that is lost with the database server is checked again by who names it.
with quick as (select set_config('synchronous_commit', 'off', true))
insert into eligibility (bucket, id, imsi, account_id, app_key, number, scopes, event, expires_at)
select i.*
from quick, unnest(string_to_array($1, e'\n')::smallint[], string_to_array($2, e'\n')::uuid[],
                   string_to_array($3, e'\n'), string_to_array($4, e'\n'), string_to_array($5, e'\n'),
                   string_to_array($6, e'\n'), $7::text[], string_to_array($8, e'\n')::int[],
                   string_to_array($9, e'\n')::timestamptz[]) as i
on conflict do nothing

-- name: find
-- $1: the buckets that are concerned; $4: the types of events after which an answer holds no more.
select e.id, e.bucket, e.imsi, e.app_key, e.number, e.scopes, s.iccid, s.msisdn, s.nai,
       exists (
           select from event v
           where v.bucket = any ($1::smallint[]) and v.bucket = e.bucket and v.imsi = e.imsi and v.n > e.event
             and v.type = any ($4::text[])
       ) as ended
from unnest($5::smallint[], $2::uuid[]) as i (bucket, id)
join eligibility e on e.bucket = i.bucket and e.id = i.id
left join sim s on s.bucket = e.bucket and s.imsi = e.imsi and s.bucket = any ($1::smallint[])
where e.bucket = any ($1::smallint[]) and e.expires_at > $3

-- name: addresses
select d.bucket, d.imsi, d.kind, d.value
from unnest($1::smallint[], $2::text[]) as i (bucket, imsi)
join sim_identifier d on d.kind in ('ipv4', 'ipv6') and d.bucket = i.bucket and d.imsi = i.imsi

-- name: count
select account_id, count(*) as count from eligibility
where bucket = any ($1::smallint[]) and account_id = any ($2::text[]) and expires_at > $3
group by account_id

-- name: prune
delete from eligibility where bucket = $1 and expires_at <= $2
