-- name: count
insert into usage_count as u (bucket, account_id, app_key, api, operation, day, count)
select i.bucket, i.account_id, i.app_key, i.api, i.operation, i.day, i.count
from unnest($1::smallint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::date[], $7::bigint[])
     as i (bucket, account_id, app_key, api, operation, day, count)
order by i.day, i.bucket, i.account_id, i.app_key, i.api, i.operation  -- as everybody else takes them
on conflict (bucket, account_id, app_key, api, operation, day) do update set count = u.count + excluded.count

-- name: page
-- Days that are over are moved to usage_day: the same row may stand in both, with a part of the count in each.
select day, account_id, app_key, api, operation, sum(count)::bigint as count
from (
    select day, account_id, app_key, api, operation, count from usage_count where bucket = any ($1::smallint[])
    union all
    select day, account_id, app_key, api, operation, count from usage_day
) as u
where ($2::text is null or account_id = $2) and ($3::text is null or app_key = $3)
  and ($4::date is null or day >= $4) and ($5::date is null or day <= $5)
  and (day, account_id, app_key, api, operation) > ($6::date, $7::text, $8::text, $9::text, $10::text)
group by day, account_id, app_key, api, operation
order by day, account_id, app_key, api, operation
limit $11

-- name: totals
select account_id, app_key, api, operation, sum(count)::bigint as count
from (
    select day, account_id, app_key, api, operation, count from usage_count where bucket = any ($1::smallint[])
    union all
    select day, account_id, app_key, api, operation, count from usage_day
) as u
where ($2::text is null or account_id = $2) and ($3::text is null or app_key = $3)
  and ($4::date is null or day >= $4) and ($5::date is null or day <= $5)
group by account_id, app_key, api, operation
order by account_id, app_key, api, operation

-- name: of_days
-- Days that are over are moved to usage_day.
select coalesce(sum(count), 0)::bigint
from (
    select count from usage_count
    where bucket = any ($1::smallint[]) and day between $2 and $3 and account_id = $4 and ($5::text is null or app_key = $5)
    union all
    select count from usage_day
    where day between $2 and $3 and account_id = $4 and ($5::text is null or app_key = $5)
) as u
