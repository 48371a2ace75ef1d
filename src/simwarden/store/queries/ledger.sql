-- name: count_services
-- $1 to $4: SIMs that begin (step 1) or end (-1) with a service. $6 to $8: the day, the first of its month, of its year.
insert into sim_service_day as d (bucket, account_id, service, day, change, new_day, new_month, new_year)
select i.bucket, i.account_id, i.service, $6, sum(i.step),
       count(*) filter (where i.step > 0 and (e.day is null or e.day < $6::date)),
       count(*) filter (where i.step > 0 and (e.day is null or e.day < $7::date)),
       count(*) filter (where i.step > 0 and (e.day is null or e.day < $8::date))
from unnest($1::smallint[], $2::text[], $3::text[], $4::text[], $5::smallint[])
     as i (bucket, imsi, account_id, service, step)
left join sim_service_end e on e.bucket = i.bucket and e.imsi = i.imsi and e.service = i.service
     and e.account_id = i.account_id and e.bucket = any ($1::smallint[])
group by i.bucket, i.account_id, i.service
order by i.bucket, i.account_id, i.service  -- as everybody else takes them
on conflict (bucket, account_id, service, day) do update
set change = d.change + excluded.change, new_day = d.new_day + excluded.new_day,
    new_month = d.new_month + excluded.new_month, new_year = d.new_year + excluded.new_year

-- name: remember_ends
insert into sim_service_end as e (bucket, imsi, account_id, service, day)
select i.bucket, i.imsi, i.account_id, i.service, $5
from unnest($1::smallint[], $2::text[], $3::text[], $4::text[]) as i (bucket, imsi, account_id, service)
on conflict (bucket, imsi, service, account_id) do update set day = greatest(e.day, excluded.day)

-- name: take_usage
delete from usage_count where bucket = any ($1::smallint[]) and day < $2
returning account_id, day, app_key, api, operation, count

-- name: add_usage_days
insert into usage_day as u (account_id, day, app_key, api, operation, count)
select account_id, day, app_key, api, operation, count
from unnest($1::text[], $2::date[], $3::text[], $4::text[], $5::text[], $6::bigint[])
     as i (account_id, day, app_key, api, operation, count)
order by account_id, day, app_key, api, operation
on conflict (account_id, day, app_key, api, operation) do update set count = u.count + excluded.count

-- name: take_services
delete from sim_service_day where bucket = any ($1::smallint[]) and day < $2
returning account_id, service, day, change, new_day, new_month, new_year

-- name: add_service_days
insert into service_day as d (account_id, service, day, change, new_day, new_month, new_year)
select account_id, service, day, change, new_day, new_month, new_year
from unnest($1::text[], $2::text[], $3::date[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
     as i (account_id, service, day, change, new_day, new_month, new_year)
order by account_id, service, day
on conflict (account_id, service, day) do update
set change = d.change + excluded.change, new_day = d.new_day + excluded.new_day,
    new_month = d.new_month + excluded.new_month, new_year = d.new_year + excluded.new_year

-- name: forget_ends
delete from sim_service_end where bucket = $1 and day < $2

-- name: calls
select account_id, api, operation, sum(count)::bigint as count
from (
    select account_id, api, operation, count from usage_day
    where account_id = any ($2::text[]) and day between $3 and $4
    union all
    select account_id, api, operation, count from usage_count
    where bucket = any ($1::smallint[]) and account_id = any ($2::text[]) and day between $3 and $4
) as u
group by account_id, api, operation
order by account_id, api, operation

-- name: services
-- All days before $3 in one row, of the day before it.
select account_id, service, greatest(day, $3::date - 1) as day, sum(change)::bigint as change,
       sum(new_day)::bigint as new_day, sum(new_month)::bigint as new_month, sum(new_year)::bigint as new_year
from (
    select account_id, service, day, change, new_day, new_month, new_year from service_day
    where account_id = any ($2::text[]) and day <= $4
    union all
    select account_id, service, day, change, new_day, new_month, new_year from sim_service_day
    where bucket = any ($1::smallint[]) and account_id = any ($2::text[]) and day <= $4
) as s
group by account_id, service, greatest(day, $3::date - 1)
