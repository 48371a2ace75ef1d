-- Which unusual traffic with hotzones subscriptions wait for: of one SIM each,
create table hotzone_watch (
    bucket           smallint not null,
    subscription_id  text collate "C" not null,
    imsi             text collate "C" not null,
    countries        text[] not null,
    prefixes         text[] not null,
    lists            text[] not null,              -- the account's lists of these names, as they are when it is looked at
    kinds            text[] not null,              -- CALL, SMS
    side             text not null,                -- VICTIM, SCAMMER
    directions       text[] not null,              -- those of the side
    method           text not null,
    threshold        double precision not null,
    since            date not null,                -- days before it are not told
    primary key (bucket, subscription_id),
    foreign key (bucket, subscription_id) references subscription (bucket, id) on delete cascade
);
create index hotzone_watch_sim on hotzone_watch (bucket, imsi);

-- or of all SIMs of an account. A reference table on Citus: there are few, and each is asked about SIMs of any bucket.
create table hotzone_watch_all (
    subscription_id  text collate "C" primary key,
    account_id       text not null,
    countries        text[] not null,
    prefixes         text[] not null,
    lists            text[] not null,
    kinds            text[] not null,
    side             text not null,
    directions       text[] not null,
    method           text not null,
    threshold        double precision not null,
    since            date not null
);
create index hotzone_watch_all_account on hotzone_watch_all (account_id);

-- Days of SIMs of which something was counted that somebody waits for, to be looked at. Several commits may leave rows for
-- one day, so that none of them waits for who looks at it.
create table hotzone_due (
    bucket      smallint not null,
    imsi        text collate "C" not null,
    day         date not null,
    batch       uuid not null,
    account_id  text not null,
    cause       jsonb not null,                    -- the report that was stored
    at          timestamptz not null,
    primary key (bucket, imsi, day, batch)
);
create index hotzone_due_turn on hotzone_due (account_id, at);

-- Of which days of a SIM a subscription was told: once each.
create table hotzone_told (
    bucket           smallint not null,
    imsi             text collate "C" not null,
    subscription_id  text collate "C" not null,
    day              date not null,
    primary key (bucket, imsi, subscription_id, day)
);
create index hotzone_told_age on hotzone_told (bucket, day);
