-- Short messages that customers send from their SIMs, one row for each receiver.
create table outgoing_message (
    bucket      smallint not null,             -- of the SIM
    id          text collate "C" not null,     -- msgId: the bucket as two hexadecimal digits, then a UUID version 7
    recipient   smallint not null,             -- from 1, in the order of the call
    imsi        text collate "C" not null,
    account_id  text not null,
    app_key     text not null,
    stage       smallint not null,             -- 0 queued, 1 submitted, 2 sent, 3 delivered, 4 failed
    reason      text,                          -- why it failed
    peer        bytea not null,                -- keyed hash of account and receiver's number
    sealed      bytea not null,                -- receiver, text, category
    gateway_id  integer,                       -- which network element was told to send it,
    target      text,                          -- from which of its targets,
    task        integer,                       -- and under which number
    attempts    integer not null default 0,
    queued_at   timestamptz not null,
    moved_at    timestamptz not null,          -- when it came to its stage
    due_at      timestamptz,                   -- queued: when to try (again); submitted: when it failed; else null
    primary key (bucket, id, recipient)
);
create index outgoing_message_due on outgoing_message (bucket, due_at) where due_at is not null;
create index outgoing_message_task on outgoing_message (bucket, gateway_id, task) where task is not null;
create index outgoing_message_peer on outgoing_message (bucket, imsi, peer, queued_at) where stage in (1, 2);
create index outgoing_message_open on outgoing_message (account_id) where due_at is not null;
create index outgoing_message_account on outgoing_message (account_id, queued_at);
create index outgoing_message_age on outgoing_message (bucket, queued_at);

-- How many tasks a network element was given, so that each has a number of its own.
create table gateway_task (
    gateway_id  integer primary key,
    n           bigint not null
);
