-- Circles that subscriptions wait for SIMs to enter or to leave, and on which side each SIM was when that was last certain.
create table geofence (
    bucket           smallint not null,
    subscription_id  text collate "C" not null,
    imsi             text collate "C" not null,
    latitude         double precision not null,
    longitude        double precision not null,
    radius           double precision not null,   -- metres
    enters           boolean not null,            -- it waits for the SIM to enter; false: to leave
    inside           boolean,                     -- null: it has never been certain
    primary key (bucket, subscription_id),
    foreign key (bucket, subscription_id) references subscription (bucket, id) on delete cascade
);
create index geofence_sim on geofence (bucket, imsi);

-- The sandbox plays changes that are none of the device.
alter table sandbox_change alter column imei drop not null;
