-- Rules of accounts: what their SIMs may not do in a time. These three are reference tables on Citus.
create table risk_rule (
    id          text primary key,
    account_id  text not null references account (id),
    name        text collate "C" not null,
    version     integer not null default 1,
    is_on       boolean not null,
    rule        jsonb not null,
    created_at  timestamptz not null,
    changed_at  timestamptz not null
);
create unique index risk_rule_name on risk_rule (account_id, name);

-- Each change of a rule, its removal too.
create table risk_rule_version (
    rule_id     text not null,
    version     integer not null,
    account_id  text not null references account (id),
    name        text collate "C" not null,
    is_on       boolean not null,
    rule        jsonb,                         -- null: removed
    set_at      timestamptz not null,
    set_by      text not null,
    primary key (rule_id, version)
);
create index risk_rule_version_account on risk_rule_version (account_id, set_at);

-- Accounts that have rules, so that reports find out in one probe.
create table risk_account (
    account_id  text primary key references account (id),
    stamp       text not null,                 -- another one with each change of a rule
    counts      boolean not null,              -- a rule that counts is on
    watches     boolean not null               -- a rule of silence is on
);

-- What rules remember of a SIM: its windows, and which rules fired. Only of SIMs with records that a rule counts.
create table risk_state (
    bucket  smallint not null,
    imsi    text collate "C" not null,
    state   bytea not null,
    primary key (bucket, imsi)
) with (fillfactor = 70);
