-- Alarms: what is wrong that a person must see. At most one of a kind and subject is open.

create table alarm (
    id               bigint generated always as identity primary key,
    kind             text not null,
    subject          text not null,
    severity         text not null,
    facts            jsonb not null,
    gateway_id       integer,                 -- no reference: the alarm outlives the gateway
    imsi             text collate "C",
    account_id       text,
    first_at         timestamptz not null,
    last_at          timestamptz not null,
    count            integer not null,
    reopened         integer not null default 0,
    ends_at          timestamptz,             -- comes back again and again: stays open until then
    cleared_at       timestamptz,
    cleared_because  text,
    acknowledged_at  timestamptz,
    acknowledged_by  text,
    version          integer not null default 1,  -- raised, raised again, more severe, cleared: each is pushed
    log_version      integer not null default 0,  -- how far each channel is
    webhook_version  integer not null default 0,
    mail_version     integer not null default 0
) with (fillfactor = 80);
create unique index alarm_open on alarm (kind, subject) where cleared_at is null;
create index alarm_subject on alarm (kind, subject, id);
create index alarm_cleared on alarm (cleared_at) where cleared_at is not null;
create index alarm_unlogged on alarm (id) where log_version < version;
create index alarm_unposted on alarm (id) where webhook_version < version;
create index alarm_unmailed on alarm (id) where mail_version < version;

-- How pushing goes: survives restarts, so that a burst stays one mail and a dead receiver is not hammered.
create table alarm_channel (
    name        text primary key,
    sent_at     timestamptz,
    failures    integer not null default 0,
    due_at      timestamptz not null,
    last_error  text
);

-- What the watch counted last, for every server's page of metrics.
create table fleet_count (
    name    text primary key,
    at      timestamptz not null,
    counts  jsonb not null
);

alter table gateway
    add column silent_since timestamptz,                      -- GATEWAY_SILENT is open
    add column unreachable_count integer not null default 0;  -- commands in a row that got no answer
