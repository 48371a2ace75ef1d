-- Where SIMs may be: the limit of each, null for most, and named areas that many share.
alter table sim add column area jsonb;
create index sim_area on sim ((area ->> 'id'), bucket, ((area ->> 'version')::integer)) where area ->> 'id' is not null;

-- A reference table on Citus. A SIM's limit holds a copy of the shape.
create table area (
    id          text primary key,
    account_id  text not null references account (id),
    name        text collate "C" not null,
    shape       jsonb not null,
    version     integer not null default 1,       -- of the shape
    behind      boolean not null default false,   -- there may be SIMs with an older version
    created_at  timestamptz not null,
    changed_at  timestamptz not null
);
create unique index area_name on area (account_id, name);
create index area_behind on area (id) where behind;
