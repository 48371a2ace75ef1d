-- The names of SIMs beside the IMSI.

-- name: imsis_of
select i.ord, coalesce(d.imsi, s.imsi) as imsi
from unnest($1::text[], $2::text[], $3::text[], $4::smallint[]) with ordinality
     as i (kind, value, account_id, bucket, ord)
left join sim_identifier d on i.bucket is null and d.kind = i.kind and d.value = i.value and d.account_id = i.account_id
left join sim s on s.bucket = i.bucket and s.imsi = i.value and s.account_id = i.account_id
               and s.bucket = any ($4::smallint[])
where coalesce(d.imsi, s.imsi) is not null and i.ord between 1 and 1000000000 /* one plan */

-- name: imsi_of_iccid
select value, imsi from sim_identifier where kind = 'iccid' and value = any ($1::text[])

-- name: insert_names
insert into sim_identifier (kind, value, bucket, imsi, account_id)
select n.kind, n.value, i.bucket, i.imsi, $3
from unnest(string_to_array($1, e'\n')::smallint[], string_to_array($2, e'\n'), string_to_array($4, e'\n', ''),
            string_to_array($5, e'\n', ''), string_to_array($6, e'\n', '')) as i (bucket, imsi, iccid, msisdn, nai),
     lateral (values ('iccid', i.iccid), ('msisdn', i.msisdn), ('nai', i.nai)) as n (kind, value)
where n.value is not null
order by n.kind, n.value

-- name: delete_identifiers
delete from sim_identifier d
using unnest($1::text[], $2::text[], $3::smallint[], $4::text[]) as i (kind, value, bucket, imsi)
where d.kind = i.kind and d.value = i.value and d.bucket = i.bucket and d.imsi = i.imsi

-- name: delete_addresses
delete from sim_identifier d
using unnest($1::smallint[], $2::text[]) as i (bucket, imsi)
where d.kind in ('ipv4', 'ipv6') and d.bucket = i.bucket and d.imsi = i.imsi

-- name: addresses_of
select d.imsi, d.kind, d.value from sim_identifier d
join unnest($1::smallint[], $2::text[]) as i (bucket, imsi) on d.bucket = i.bucket and d.imsi = i.imsi
where d.kind in ('ipv4', 'ipv6')

-- name: hold_accounts
select id from account where id = any ($1::text[]) and id <> 'operator' for key share

-- name: insert_identifiers
insert into sim_identifier (kind, value, bucket, imsi, account_id)
select i.kind, i.value, i.bucket, i.imsi, $5
from unnest($1::text[], $2::text[], $3::smallint[], $4::text[]) as i (kind, value, bucket, imsi)
on conflict do nothing
returning kind, value

-- name: rename
update sim set msisdn = $3, nai = $4, event_count = $5, number_new = $6 where bucket = $1 and imsi = $2

-- name: taken
select i.kind, i.value
from unnest($1::text[], $2::text[], $3::smallint[]) as i (kind, value, bucket)
left join sim_identifier d on i.bucket is null and d.kind = i.kind and d.value = i.value
left join sim s on s.bucket = i.bucket and s.imsi = i.value and s.bucket = any ($3::smallint[])
where d.kind is not null or s.imsi is not null

-- name: forget_imsi_names
-- Names that servers of earlier versions wrote: a SIM is found by its IMSI without them.
delete from sim_identifier
where kind = 'imsi'
  and value = any (array(select value from sim_identifier where kind = 'imsi' order by value limit $1 for update skip locked))
