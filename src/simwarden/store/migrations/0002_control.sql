-- Control: the life of SIMs, the customer's own switches, and answers kept for repeated calls.

alter table sim
    add column lifecycle        text not null default 'ACTIVE',
    add column lifecycle_since  timestamptz,                     -- null: since created_at
    add column closed_apns      jsonb not null default '[]',
    add column first_event      integer not null default 1;      -- higher when the IMSI was another SIM's before

-- SIMs that were deleted: whose they were, and which events are theirs. Their other names are free again.
create table sim_deleted (
    bucket       smallint not null,
    imsi         text collate "C" not null,
    first_event  integer not null,
    event_count  integer not null,
    account_id   text not null,
    iccid        text,
    msisdn       text,
    nai          text,
    created_at   timestamptz not null,
    deleted_at   timestamptz not null,
    primary key (bucket, imsi, first_event)
);
create index sim_deleted_account on sim_deleted (account_id, imsi);

-- Answers to calls that carried an Idempotency-Key. The bucket is that of application and key, not of the SIM: the same
-- key for another SIM has to be found too.
create table idempotency (
    bucket      smallint not null,
    app_key     text collate "C" not null,
    key         text collate "C" not null,
    digest      bytea not null,           -- of what was asked
    status      smallint,                 -- of the answer; null only inside the transaction that makes it
    body        bytea,
    secret      bytea,                    -- headers of the answer that hold a secret, encrypted
    created_at  timestamptz not null,
    primary key (bucket, app_key, key)
) with (fillfactor = 70);
create index idempotency_age on idempotency using brin (created_at);
