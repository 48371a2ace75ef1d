-- name: of_sims
select s.bucket, s.imsi, s.account_id, s.first_event, s.limits is not null as limited, s.msisdn, s.nai
from unnest(string_to_array($2, e'\n')::smallint[], string_to_array($3, e'\n')) as i (bucket, imsi)
join sim s on s.bucket = i.bucket and s.imsi = i.imsi and s.bucket = any ($1::smallint[]) /* shards */
