-- Number ranges of accounts: what a customer may register by itself. Ranges of different accounts never overlap.

create table account_range (
    account_id  text not null references account (id),
    kind        text not null check (kind in ('imsi', 'iccid', 'msisdn', 'nai')),
    first       text collate "C" not null,   -- digits, without a plus sign; for nai the realm
    last        text collate "C" not null,   -- a number lies within when it begins with digits from first to last
    created_at  timestamptz not null default now(),
    primary key (kind, first, last)
);
create index account_range_of on account_range (account_id);
