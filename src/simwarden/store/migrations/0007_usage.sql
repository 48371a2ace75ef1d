-- The usage ledger: how often each application did what, per day (UTC). A change is counted in the bucket of its SIM, in the
-- transaction that makes it; what was only read is counted in the bucket of the application.
create table usage_count (
    bucket      smallint not null,
    account_id  text collate "C" not null,
    app_key     text collate "C" not null,
    api         text collate "C" not null,
    operation   text collate "C" not null,
    day         date not null,
    count       bigint not null,
    primary key (bucket, account_id, app_key, api, operation, day)
) with (fillfactor = 50);
create index usage_count_day on usage_count (day, account_id);

-- What each SIM that an operation has done counts as; null: not the customer's call.
alter table operation add column usage jsonb;
