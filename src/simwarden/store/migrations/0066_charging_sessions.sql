-- Charging sessions that are open: by their ChargingDataRef, where the function that charges is told to end one. The bucket
-- is that of the SIM; where no SIM is named, one of the ref.
create table charging_session (
    bucket      smallint not null,
    ref         text collate "C" not null,
    element_id  integer not null,
    imsi        text collate "C",
    notify_uri  text,
    created_at  timestamptz not null,
    primary key (bucket, ref)
);
create index charging_session_sim on charging_session (bucket, imsi, element_id);
