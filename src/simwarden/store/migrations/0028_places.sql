-- Where SIMs are: sites of gateways, cells of mobile networks, installation addresses, and a bounded history.

-- Degrees (WGS 84) and metres of the circle in which the gateway stands; null: not known.
alter table gateway
    add column latitude   double precision,
    add column longitude  double precision,
    add column radius     double precision;
create index sim_gateway on sim (seen_gateway) where seen_gateway is not null;

-- What is imported of public tables of cells. A reference table on Citus.
create table cell (
    key        text collate "C" primary key,   -- ecgi:26201-0123456
    latitude   double precision not null,
    longitude  double precision not null,
    radius     double precision not null
);

-- What is known of a SIM's place beside the gateway that it is in. A row comes with the first of it.
create table sim_place (
    bucket      smallint not null,
    imsi        text collate "C" not null,
    cell        text collate "C",              -- of the newest report of a session
    cell_area   text collate "C",              -- around it, for when the cell is not in the table
    cell_at     timestamptz,                   -- source time of that report, coarsely
    latitude    double precision,              -- installation address
    longitude   double precision,
    radius      double precision,
    source      text,                          -- of the place that was written into the history last
    ref         text,
    changes     integer not null default 0,    -- how many places were
    changed_at  timestamptz,                   -- when the SIM was seen in the last one first
    primary key (bucket, imsi)
) with (fillfactor = 80);
create index sim_place_cell on sim_place (cell) where cell is not null;
create index sim_place_cell_area on sim_place (cell_area) where cell_area is not null;
create index sim_place_cell_at on sim_place (bucket, cell_at) where cell is not null;

-- The newest places of each SIM: the change with number c lies in row c modulo as many as are kept.
create table place_change (
    bucket     smallint not null,
    imsi       text collate "C" not null,
    n          smallint not null,
    at         timestamptz not null,           -- seen there first
    source     text not null,
    ref        text not null,
    latitude   double precision not null,
    longitude  double precision not null,
    radius     double precision not null,
    primary key (bucket, imsi, n)
);
create index place_change_at on place_change (bucket, at);

-- SIMs to be looked at again, because the site of their gateway or the position of their cell changed.
create table place_review (
    bucket    smallint not null,
    imsi      text collate "C" not null,
    asked_at  timestamptz not null,
    primary key (bucket, imsi)
);
