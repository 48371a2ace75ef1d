-- What may be called how often. Empty app_key: by all applications of the account together; empty api, operation: all of them.
-- Null: no limit of this kind. The daily quota of an application stands in application.daily_quota.
create table call_limit (
    account_id  text collate "C" not null,
    app_key     text collate "C" not null default '',
    api         text collate "C" not null default '',
    operation   text collate "C" not null default '',
    rate        double precision check (rate > 0),
    burst       bigint check (burst > 0),
    daily       bigint check (daily > 0),
    monthly     bigint check (monthly > 0),
    primary key (account_id, app_key, api, operation),
    check ((rate is null) = (burst is null)),
    check (api <> '' or operation = ''),
    check (api = '' or (daily is null and monthly is null))
);

-- Buckets of tokens, and what workers hold of them and of quotas. Small tables, not distributed.
create table call_allowance (
    account_id  text collate "C" not null,
    key         text collate "C" primary key,
    tokens      double precision,
    at          timestamptz
) with (fillfactor = 50);
create table call_hold (
    key     text collate "C" not null,
    worker  text collate "C" not null,
    held    bigint not null,
    until   timestamptz not null,
    primary key (key, worker)
) with (fillfactor = 50);
create index call_hold_worker on call_hold (worker);
