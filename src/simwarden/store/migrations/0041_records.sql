-- What is told of messages and calls beside texts and numbers, whose they are, and by which time they are listed. Records
-- from before have none of it: they are shown with their SIM, and go with the rest after `records_kept_days`.
alter table sms
    add column account_id   text,               -- whose SIM it was when the record came; null: nobody's
    add column iccid        text collate "C",
    add column sent_at      timestamptz,        -- as the message centre says
    add column smsc         text,
    add column task         integer,            -- of the gateway
    add column took_ms      integer,
    add column encoding     text,
    add column status_text  text,
    add column peer         bytea;              -- keyed hash of SIM and other side
create index sms_account on sms (account_id, at) where account_id is not null;
create index sms_gateway on sms (gateway_id, at);

alter table call_record
    add column account_id    text,
    add column iccid         text collate "C",
    add column at            timestamptz,       -- the first time that is told of it
    add column cause_code    integer,           -- of the module
    add column cause         text,
    add column progress      bigint;            -- of the report that told most: what others say counts less
create index call_record_account on call_record (account_id, at) where account_id is not null;
create index call_record_gateway on call_record (gateway_id, at) where at is not null;

-- Counters of a SIM at a network element as they were shown last, and what was used on a day (UTC). Written only when a
-- counter moved. `counter_day` outlives the records, as `traffic_day` does.
create table counter_last (
    bucket      smallint not null,
    imsi        text collate "C" not null,
    element_id  integer not null,
    at          timestamptz not null,           -- when one of them moved last
    readings    jsonb not null,
    primary key (bucket, imsi, element_id)
);

create table counter_day (
    bucket        smallint not null,
    imsi          text collate "C" not null,
    day           date not null,
    element_id    integer not null,
    account_id    text not null,
    at            timestamptz not null,
    call_minutes  numeric not null,
    calls         numeric not null,
    talks         numeric not null,
    messages      numeric not null,
    megabytes     numeric not null,
    resets        integer not null,             -- counters that began anew
    readings      jsonb not null,               -- the last of the day
    primary key (bucket, imsi, day, element_id)
);
create index counter_day_account on counter_day (account_id, day);
create index counter_day_age on counter_day (bucket, day);
