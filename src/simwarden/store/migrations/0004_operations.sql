-- Operations: work on many SIMs in the background, previewed, carried out in small batches, cancelled, looked at.

create table operation (
    id            text collate "C" primary key,    -- UUID version 7: in the order of time
    account_id    text references account (id),    -- whose SIMs; null: anybody's, for the operator
    app_key       text not null,                   -- who asked for it
    verb          text not null,                   -- what is done, in one word
    action        jsonb not null,                  -- what is done, in full
    cause         jsonb not null,                  -- of every event it leads to
    filter        jsonb,                           -- which SIMs; null: those that were listed
    state         text not null,                   -- PREVIEWING, READY, RUNNING, COMPLETED, CANCELLED, EXPIRED
    summary       jsonb,                           -- of the preview, later of the results: reasons, counted, with samples
    created_at    timestamptz not null,
    ready_at      timestamptz,
    confirmed_at  timestamptz,
    finished_at   timestamptz,
    expires_at    timestamptz                      -- of a preview that nobody confirms
);
create index operation_live on operation (id) where state in ('PREVIEWING', 'READY', 'RUNNING');
create index operation_app on operation (app_key, id);

-- The share of an operation in one bucket. Its row is locked by whoever works on it, and says how far it has come: the
-- place moves in the transaction that does the work.
create table operation_part (
    bucket        smallint not null,
    operation_id  text collate "C" not null,
    open          boolean not null,                -- there is something to do
    after_n       integer not null default -1,     -- items up to this one are dealt with
    after_imsi    text collate "C" not null default '',  -- SIMs up to this one have been looked for
    items         integer not null default 0,
    done          integer not null default 0,
    unchanged     integer not null default 0,
    refused       integer not null default 0,
    primary key (bucket, operation_id)
) with (fillfactor = 50);
create index operation_part_of on operation_part (operation_id);
create index operation_part_open on operation_part (operation_id, bucket) where open;

create table operation_item (
    bucket        smallint not null,
    operation_id  text collate "C" not null,
    n             integer not null,                -- line or position in the request; counted in its part for a filter
    given         jsonb not null,                  -- the SIM as it was named
    imsi          text collate "C",                -- null: there is none of this name
    data          jsonb,                           -- what goes with this SIM alone
    status        text not null,                   -- REQUESTED, DONE, UNCHANGED, REFUSED
    code          text,
    reason        text,
    at            timestamptz,
    primary key (bucket, operation_id, n)
) with (fillfactor = 80);

-- The operator's own words about SIMs, and means to find them.
alter table sim add column tags text[] not null default '{}';
create index sim_tags on sim using gin (tags) where tags <> '{}';
create index sim_device on sim (seen_imei) where seen_imei is not null;
