-- Doubts: reports that were neither believed nor dropped, and the polls that settle them.

alter table gateway
    add column lines             jsonb not null default '[]',   -- other numberings that its statuses may be following
    add column account_id        text references account (id),  -- it reports for SIMs of this account alone; null: of any
    add column source_addresses  text[] not null default '{}';  -- networks that its reports may come from; none: any

-- While a report that would lift the bar of a mismatch waits for its proof: when the bar was upheld last.
alter table sim add column upheld_at timestamptz;

create table gateway_doubt (
    id          bigint generated always as identity primary key,
    gateway_id  integer not null references gateway (id) on delete cascade,
    kind        text not null,                    -- LATE, JUMP, REPLAY, CONFLICT, FOREIGN, UNPROVEN
    at          timestamptz not null,             -- of the first report
    last_at     timestamptz not null,             -- of the newest one
    count       bigint not null,                  -- reports like this before it was settled
    message     text not null,                    -- the newest report in short
    imsi        text collate "C" not null default '',
    port        integer not null default 0,       -- 0: a whole status
    slot        integer not null default 0,
    imei        text,
    claim       bytea not null,                   -- digest of what it says about the slots
    against     integer,                          -- the other gateway of a conflict
    outcome     text,                             -- CONFIRMED, REFUTED, UNANSWERED; null: open
    settled_at  timestamptz
) with (fillfactor = 70);
create unique index gateway_doubt_open on gateway_doubt (gateway_id, kind, imsi, port, slot) where outcome is null;
create index gateway_doubt_of on gateway_doubt (gateway_id, id);
create index gateway_doubt_against on gateway_doubt (against) where outcome is null and against is not null;

-- Which gateways are to be asked for their status. No reference to the gateway: a report of another one writes here.
create table gateway_poll (
    gateway_id     integer primary key,
    due_at         timestamptz,                   -- null: nothing to ask
    polled_at      timestamptz,                   -- when it was asked last
    attempts       integer not null default 0,    -- without an answer
    claimed_until  timestamptz                    -- somebody is asking
) with (fillfactor = 50);
create index gateway_poll_due on gateway_poll (due_at) where due_at is not null;
