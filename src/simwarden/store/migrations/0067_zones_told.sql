-- A subscription is told of a day of a SIM once for each of its hotzones that stands out by itself, and once for all together.
alter table hotzone_told add column zone text collate "C" not null default '';  -- as it was asked for; empty: all together
alter table hotzone_told drop constraint hotzone_told_pkey;
alter table hotzone_told add primary key (bucket, imsi, subscription_id, day, zone);
