-- The sandbox: applications that see virtual SIMs only, and the changes that their subscriptions are still to be told.

alter table application add column sandbox boolean not null default false;

create table sandbox_change (
    bucket           smallint not null,
    subscription_id  text collate "C" not null,
    due_at           timestamptz not null,
    imei             text collate "C" not null,   -- the device that the virtual SIM will be in
    primary key (bucket, subscription_id, due_at)
);
create index sandbox_change_due on sandbox_change (due_at);
