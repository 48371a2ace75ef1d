-- What an element keeps for a SIM, as an HLR does with a subscriber.
alter table attachment
    add column held smallint,                           -- functions that we switched off there; null where nothing is kept
    add column lingering smallint not null default 0,   -- functions that go on although they are switched off there
    add column device text,                             -- the device (14 digits) that the element keeps with the subscriber
    add column device_since timestamptz;                -- since when; null: from before it was first seen there
create index attachment_lingering on attachment (element_id) where lingering <> 0;
