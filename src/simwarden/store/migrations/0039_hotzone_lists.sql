-- Named hotzones of accounts, each change a row of its own. A reference table on Citus.
create table hotzone_list (
    account_id  text not null references account (id),
    name        text collate "C" not null,
    version     integer not null,              -- from 1; the newest one is in force
    zones       text[] not null,               -- as fraud-hotzone takes them; none: the list is taken away
    set_at      timestamptz not null,
    primary key (account_id, name, version)
);
