-- The operator's lists of devices (stolen, blocked, tracked, allowed): a device by 14 digits, or consecutive models by
-- their type allocation codes. One table for the whole installation, found by its key and by the range.
create table listed_device (
    value     text collate "C" not null,
    list      text not null,
    -- Of a range of models; null: `value` is one device.
    tacs      int4range,
    reason    text,
    since     timestamptz,
    source    text,
    added_at  timestamptz not null,
    primary key (value, list)
);
create index listed_device_tacs on listed_device using gist (tacs) where tacs is not null;
