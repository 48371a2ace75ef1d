-- Signs of fraud that SIMs showed while they were in a gateway: in the commit of the event, and as long as what is usual is known by.
create table fraud_sign (
    bucket      smallint not null,
    imsi        text collate "C" not null,
    n           integer not null,                  -- of the event
    at          timestamptz not null,
    type        text not null,
    gateway_id  integer not null,
    primary key (bucket, imsi, n)
);
create index fraud_sign_at on fraud_sign (bucket, at);

-- Places where more SIMs show such signs than chance explains. A small table, a reference table on Citus.
create table hotspot (
    place       text collate "C" not null,         -- latitude and longitude of a site
    hours       integer not null,                  -- of the window
    since       timestamptz not null,
    sims        integer not null,
    with_sign   integer not null,
    expected    double precision not null,
    chance      double precision not null,
    at          timestamptz not null,
    calm_since  timestamptz,
    ended_at    timestamptz,
    primary key (place, hours, since)
);
create unique index hotspot_open on hotspot (place, hours) where ended_at is null;
