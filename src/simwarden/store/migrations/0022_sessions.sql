-- Data sessions of SIMs, as the network elements that carry them report them. Ended ones are kept for a while, so that a
-- late report of one does not make it live again.
create table session (
    bucket      smallint not null,
    imsi        text collate "C" not null,
    gateway_id  integer not null,
    key         text collate "C" not null,   -- its name at the element
    began_at    timestamptz not null,
    seen_at     timestamptz not null,        -- last report, coarsely
    ended_at    timestamptz,
    imei        text collate "C",
    primary key (bucket, imsi, gateway_id, key)
);
create index session_live on session (bucket, imsi, gateway_id) where ended_at is null;
create index session_seen on session (bucket, seen_at);

-- When an element last said that all its sessions are over. Those that began before are, whatever their rows say.
create table session_restart (
    gateway_id    integer primary key references gateway (id) on delete cascade,
    restarted_at  timestamptz not null
);
