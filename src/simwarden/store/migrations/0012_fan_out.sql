-- Events of SIMs that many subscribed to are written into their lanes in a step behind the commit (ADR 0013), and
-- active subscriptions are counted, so that their number can be limited.

-- The last event of the SIM that was written into this lane, or that was committed before the subscription was made.
alter table subscription add column told_event integer not null default 0;

-- Events that are still to be written into the lanes of those who subscribed to the SIM. A row stands until all are.
create table fan_out (
    bucket      smallint not null,
    imsi        text collate "C" not null,
    n           integer not null,       -- the last event
    first       integer not null,       -- the first one; all between were committed together
    account_id  text not null,          -- of the SIM: the work is dealt out by turns
    ends        boolean not null,       -- the SIM is no more: its subscriptions end behind the last event
    created_at  timestamptz not null default now(),
    primary key (bucket, imsi, n)
);
create index fan_out_turn on fan_out (account_id, created_at);

-- Active subscriptions, in 16 rows an application, so that those who make some at the same time seldom meet.
create table subscription_tally (
    account_id  text not null,
    app_key     text not null,
    slot        smallint not null,      -- bucket modulo 16
    active      bigint not null,
    primary key (account_id, app_key, slot)
) with (fillfactor = 50);
insert into subscription_tally (account_id, app_key, slot, active)
select account_id, app_key, bucket % 16, count(*) from subscription where ended_at is null group by 1, 2, 3;
