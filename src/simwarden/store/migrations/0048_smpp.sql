-- Messages that message centres handed over by SMPP, which has no id for them: a message that was stored and not answered
-- comes again, and is the same. Forgotten after a day.
create table smpp_message (
    gateway_id   integer not null,
    digest       bytea not null,               -- keyed hash of all that it consists of
    n            integer not null,             -- the same words may be sent again
    session      text not null,                -- connection on which it came first
    answered     boolean not null default false,
    received_at  timestamptz not null,
    primary key (gateway_id, digest, n)
);
create index smpp_message_age on smpp_message (received_at);

-- Parts of long messages, until all are there or ten minutes are over; and which messages came in parts, for a day.
create table smpp_part (
    gateway_id   integer not null,
    digest       bytea not null,               -- keyed hash of sender, receiver, reference and total
    part         integer not null,
    total        integer not null,
    sealed       bytea not null,
    received_at  timestamptz not null,
    done         boolean not null default false,  -- the message was handed on
    primary key (gateway_id, digest, part)
);
create index smpp_part_age on smpp_part (received_at);
create index smpp_part_open on smpp_part (gateway_id, received_at) where not done;
