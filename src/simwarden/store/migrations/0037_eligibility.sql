-- What customers were answered of the eligibility of SIMs, until it expires. A row is not touched when its SIM changes:
-- who uses it looks for events of the SIM that are newer than `event`.
create table eligibility (
    bucket      smallint not null,             -- of the SIM; the first byte of `id` says it too
    id          uuid not null,
    imsi        text collate "C" not null,
    account_id  text not null,
    app_key     text not null,
    number      text collate "C" not null,
    scopes      text not null,                 -- for which the SIM was eligible, parted by blanks
    event       integer not null,              -- number of the SIM's newest event when that was found out
    expires_at  timestamptz not null,
    primary key (bucket, id)
);
create index eligibility_account on eligibility (account_id, expires_at);
create index eligibility_expiry on eligibility (bucket, expires_at);
