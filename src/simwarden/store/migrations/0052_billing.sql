-- What is charged: calls and services by day and account, and the plans that price them.

-- Days of the usage ledger that are over, without buckets. A row is moved here from usage_count, never copied.
create table usage_day (
    account_id  text collate "C" not null,
    day         date not null,
    app_key     text collate "C" not null,
    api         text collate "C" not null,
    operation   text collate "C" not null,
    count       bigint not null,
    primary key (account_id, day, app_key, api, operation)
);
create index usage_day_day on usage_day (day, account_id);

-- By how many the SIMs with a binding or an area limit changed on a day (UTC), in the commits that changed them, and how
-- many of those that began with it had not had it before on that day, in that month, in that year.
create table sim_service_day (
    bucket      smallint not null,
    account_id  text collate "C" not null,
    service     text collate "C" not null,
    day         date not null,
    change      bigint not null,
    new_day     bigint not null,
    new_month   bigint not null,
    new_year    bigint not null,
    primary key (bucket, account_id, service, day)
) with (fillfactor = 50);

-- The same of days that are over, without buckets; moved here.
create table service_day (
    account_id  text collate "C" not null,
    service     text collate "C" not null,
    day         date not null,
    change      bigint not null,
    new_day     bigint not null,
    new_month   bigint not null,
    new_year    bigint not null,
    primary key (account_id, service, day)
);

-- When a SIM last ended with a service of an account, for as long as its year lasts.
create table sim_service_end (
    bucket      smallint not null,
    imsi        text collate "C" not null,
    service     text collate "C" not null,
    account_id  text collate "C" not null,
    day         date not null,
    primary key (bucket, imsi, service, account_id)
);

-- What stands today begins today.
insert into sim_service_day (bucket, account_id, service, day, change, new_day, new_month, new_year)
select bucket, account_id, 'BINDING', (now() at time zone 'UTC')::date, count(*), count(*), count(*), count(*)
from sim where binding is not null group by bucket, account_id;
insert into sim_service_day (bucket, account_id, service, day, change, new_day, new_month, new_year)
select bucket, account_id, 'AREA', (now() at time zone 'UTC')::date, count(*), count(*), count(*), count(*)
from sim where area is not null group by bucket, account_id;

-- Prices, each version valid from the first day of a month.
create table plan (
    name        text collate "C" not null,
    valid_from  date not null,
    document    jsonb not null,
    created_at  timestamptz not null,
    primary key (name, valid_from)
);

-- By which plan an account is charged, from the first day of a month; null: by none.
create table account_plan (
    account_id  text collate "C" not null,
    valid_from  date not null,
    plan        text collate "C",
    primary key (account_id, valid_from)
);
