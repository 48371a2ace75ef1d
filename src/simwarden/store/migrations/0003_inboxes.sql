-- Inboxes: sinks that this server hosts itself, emptied by their owner (`simwarden listen`).

create table inbox (
    id          text collate "C" primary key,
    account_id  text not null references account (id),
    app_key     text not null references application (app_key),
    name        text not null,
    secret      bytea not null,          -- signs what goes there; encrypted
    created_at  timestamptz not null default now(),
    unique (app_key, name)
);

-- A lane that leads to an inbox waits to be asked for; the notifier leaves it alone.
alter table subscription add column inbox text collate "C";
create index subscription_inbox on subscription (inbox, lane_due_at) where inbox is not null and lane_due_at is not null;
