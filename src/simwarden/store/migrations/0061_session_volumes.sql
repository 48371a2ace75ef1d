-- What a session is beside its device: its access point, radio access, addresses, and the octets that are counted of it.
alter table session
    add column apn        text collate "C",
    add column rat        text,                  -- TS 29.571 5.4.3.2: EUTRA, NR, NBIOT ...
    add column ipv4       text collate "C",
    add column ipv6       text collate "C",      -- a prefix
    add column up         bigint not null default 0,   -- octets from the device
    add column down       bigint not null default 0,
    add column parts      integer not null default -1; -- last part that is counted, at elements that count in parts
create index session_ipv4 on session (ipv4) where ended_at is null and ipv4 is not null;
create index session_ipv6 on session (ipv6) where ended_at is null and ipv6 is not null;

-- A session's row is written with every report that says more octets: beside others that changed, on the same page, and
-- without touching an index.
alter table session set (fillfactor = 80);
drop index session_seen;
create index session_seen on session using brin (seen_at) with (autosummarize = on);

-- Data that SIMs used, in the hour (UTC) of the report that said so, by the element that carried it. A SIM that goes to
-- another account leaves its volumes with the account that it had.
create table data_volume (
    bucket      smallint not null,
    imsi        text collate "C" not null,
    hour        timestamptz not null,
    element_id  integer not null,
    account_id  text not null,
    up          bigint not null,
    down        bigint not null,
    at          timestamptz not null,            -- of the last report that is in it
    primary key (bucket, imsi, hour, element_id, account_id)
) with (fillfactor = 80);
create index data_volume_age on data_volume (bucket, hour);
