-- Short messages that SIMs of customers received, for those customers; what was reported of them stands in `sms`.
create table short_message (
    bucket       smallint not null,
    id           text collate "C" not null,    -- the bucket as two hexadecimal digits, then a UUID version 7
    imsi         text collate "C" not null,
    account_id   text not null,
    n            bigint not null,              -- its place among the account's: in the order of the commits
    received_at  timestamptz not null,
    sealed       bytea not null,               -- the message as its customer gets it
    primary key (bucket, id)
);
create index short_message_account on short_message (account_id, n);
create index short_message_sim on short_message (bucket, imsi, n);
create index short_message_age on short_message (bucket, received_at);

-- The number of the newest message of an account. Who is about to add some holds the row until the commit.
create table short_message_turn (
    account_id  text primary key,
    n           bigint not null
);

-- Messages to SIMs that are nobody's yet, or to a slot of which no card is known. By the SIM's bucket, or the gateway's.
create table short_message_waiting (
    bucket       smallint not null,
    gateway_id   integer not null,
    key          bytea not null,               -- that of the row in `sms`
    imsi         text collate "C",
    port         integer,
    slot         integer,
    received_at  timestamptz not null,
    sealed       bytea not null,
    primary key (bucket, gateway_id, key)
);
create index short_message_waiting_age on short_message_waiting (received_at, gateway_id, key);

-- Who does not want messages from a number any more. By the bucket of the number.
create table opt_out (
    bucket      smallint not null,
    account_id  text not null,
    number      text collate "C" not null,     -- ours: the SIM's phone number, or its IMSI
    peer        bytea not null,                -- keyed hash of account and other side's number
    since       timestamptz not null,
    primary key (bucket, account_id, number, peer)
);
