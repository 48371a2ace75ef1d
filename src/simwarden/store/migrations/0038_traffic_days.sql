-- How many calls and messages a SIM had on a day (UTC), by the country of the other side and the first digits of its
-- number; no numbers. Counted in the commit that stores the record, from this migration on: what was stored before is not
-- counted, as its numbers are sealed. Outlives the records.
create table traffic_day (
    bucket     smallint not null,
    imsi       text collate "C" not null,
    day        date not null,
    kind       text not null,                  -- CALL, SMS
    direction  text not null,                  -- inbound, outbound, called-back
    zone       text not null,                  -- ISO 3166 country, 001, or ?
    prefix     text collate "C" not null,      -- first digits in international form, or none
    count      bigint not null,
    seconds    bigint not null,                -- of calls, from answer to end
    primary key (bucket, imsi, day, kind, direction, zone, prefix)
);
create index traffic_day_age on traffic_day (bucket, day);

alter table call_record
    add column zone         text,
    add column prefix       text,
    add column peer         bytea,              -- keyed hash of SIM and other side: is it the number that called before?
    add column called_back  boolean not null default false;
create index call_record_peer on call_record (bucket, peer) where peer is not null;
