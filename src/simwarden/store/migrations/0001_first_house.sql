-- The first house: tenants, SIMs with their bindings and history, gateways, enforcement, subscriptions, deliveries.
-- Every row about a SIM carries `bucket` (CRC-32 of its IMSI, lowest byte) first in its primary key.

create table account (
    id          text primary key,
    name        text not null unique,
    settings    jsonb not null default '{}',
    created_at  timestamptz not null default now()
);

create table application (
    app_key      text primary key,
    account_id   text not null references account (id),
    name         text not null,
    secret_hash  bytea not null,
    scopes       text[] not null,
    created_at   timestamptz not null default now(),
    revoked_at   timestamptz
);
-- The name of a revoked application may be used again.
create unique index application_name on application (account_id, name) where revoked_at is null;

create table signing_key (
    kid          text primary key,
    algorithm    text not null,
    private_key  bytea not null,   -- encrypted
    public_jwk   jsonb not null,
    created_at   timestamptz not null default now(),
    retired_at   timestamptz
);

-- One row per SIM, written on change; seen_at is refreshed coarsely.
create table sim (
    bucket         smallint not null,
    imsi           text collate "C" not null,
    account_id     text not null references account (id),
    iccid          text,
    msisdn         text,
    nai            text,
    created_at     timestamptz not null default now(),
    binding        jsonb,
    state          text not null default 'NEUTRAL',
    seen_at        timestamptz,
    seen_imei      text collate "C",
    seen_unknown   boolean not null default false,
    seen_gateway   integer,
    seen_port      integer,
    seen_slot      integer,
    bars           jsonb not null default '[]',
    functions_off  smallint not null default 0,
    event_count    integer not null default 0,
    primary key (bucket, imsi)
) with (fillfactor = 85);
create index sim_account on sim (account_id, imsi);

-- The other names of a SIM. A reference table on Citus.
create table sim_identifier (
    kind        text collate "C" not null,
    value       text collate "C" not null,
    bucket      smallint not null,
    imsi        text collate "C" not null,
    account_id  text not null,
    primary key (kind, value)
);

-- History and outbox: one row per committed fact.
create table event (
    bucket  smallint not null,
    imsi    text collate "C" not null,
    n       integer not null,
    type    text not null,
    at      timestamptz not null,
    parent  integer,
    cause   jsonb not null,
    data    jsonb not null,
    primary key (bucket, imsi, n)
);

create table gateway (
    id                integer generated always as identity primary key,
    name              text not null unique,
    kind              text not null default 'ejoin',
    command_url       text,
    username          text,
    password          bytea,          -- encrypted
    token_hash        bytea not null unique,
    generation        text,
    report_interval   integer not null default 60,
    created_at        timestamptz not null default now(),
    mac               text,
    address           text,
    version           text,
    max_ports         integer,
    max_slots         integer,
    reported_at       timestamptz,    -- last report that was read
    accepted_at       timestamptz,    -- last report that was not a repeat or out of order
    status_at         timestamptz,    -- last whole status
    boot              integer not null default 0,
    status_sequence   bigint,
    boot_digests      bytea[] not null default '{}',
    unreachable_since timestamptz,    -- commands cannot reach it
    reports           bigint not null default 0,
    rejected          bigint not null default 0
) with (fillfactor = 70);

create table gateway_port (
    gateway_id   integer not null references gateway (id) on delete cascade,
    port         integer not null,
    slot         integer not null,
    boot         integer not null,
    sequence     bigint,
    status       integer,
    status_text  text,
    imei         text,
    imsi         text,
    iccid        text,
    msisdn       text,
    plmn         text,
    operator     text,
    signal       integer,
    detail       jsonb,
    held         boolean not null default false,  -- we commanded a lock that has not been seen lifted
    changed_at   timestamptz not null,
    reported_at  timestamptz not null,
    primary key (gateway_id, port, slot)
) with (fillfactor = 70);

create table gateway_reject (
    id            bigint generated always as identity primary key,
    gateway_id    integer not null references gateway (id) on delete cascade,
    received_at   timestamptz not null,
    reason        text not null,
    content_type  text,
    size          integer not null,
    body          bytea not null
);
create index gateway_reject_of on gateway_reject (gateway_id, id);

-- Where a SIM can be acted upon, what the network is to be like there, and what it was seen to be like.
create table attachment (
    bucket           smallint not null,
    imsi             text collate "C" not null,
    gateway_id       integer not null references gateway (id) on delete cascade,
    port             integer not null,
    slot             integer not null,
    current          boolean not null,           -- the SIM is there now
    desired          smallint not null,          -- functions that are to be off
    applied          smallint,                   -- functions seen to be off; null: not known
    status           text not null,              -- PENDING, APPLIED, FAILED
    event            integer,                    -- the SIM's event that asked for it
    since            timestamptz not null,
    attempts         integer not null default 0,
    next_attempt_at  timestamptz,                -- null: nothing to do
    commanded_at     timestamptz,
    last_error       text,
    primary key (bucket, imsi, gateway_id, port, slot)
) with (fillfactor = 80);
create index attachment_due on attachment (next_attempt_at) where next_attempt_at is not null;
create index attachment_slot on attachment (gateway_id, port, slot);

create table subscription (
    bucket                 smallint not null,
    id                     text collate "C" not null,
    imsi                   text collate "C" not null,
    account_id             text not null,
    app_key                text not null,
    api                    text not null,
    topic                  text not null,      -- the domain event type it waits for
    type                   text not null,      -- the CloudEvents type it is told
    protocol               text not null,
    sink                   text not null,
    origin                 text not null,      -- account and scheme://host:port: what is slow or dead together
    protocol_settings      jsonb,
    device                 jsonb,
    config                 jsonb not null,
    credential             bytea,              -- encrypted
    credential_expires_at  timestamptz,
    signing_secrets        bytea,              -- encrypted
    status                 text not null,
    starts_at              timestamptz not null,
    expires_at             timestamptz,
    ends_at                timestamptz,        -- the earliest time at which it ends by itself
    max_events             integer,
    event_count            integer not null default 0,
    delivery_count         integer not null default 0,
    lane_due_at            timestamptz,        -- when the head of its lane may be sent; null: lane empty
    lane_next              integer not null default 1,  -- no delivery before this one is pending
    created_at             timestamptz not null default now(),
    ended_at               timestamptz,
    ended_reason           text,
    primary key (bucket, id)
) with (fillfactor = 80);
create index subscription_sim on subscription (bucket, imsi) where ended_at is null;
create index subscription_app on subscription (app_key, api, created_at) where status <> 'DELETED';
create index subscription_lane on subscription (lane_due_at) where lane_due_at is not null;
create index subscription_end on subscription (ends_at) where ended_at is null and ends_at is not null;

create table delivery (
    bucket           smallint not null,
    subscription_id  text collate "C" not null,
    n                integer not null,         -- position in the lane of its subscription
    imsi             text collate "C" not null,
    event            integer,                  -- the SIM's event; null for a subscription's own life
    event_id         text not null,            -- CloudEvents id
    type             text not null,            -- CloudEvents type
    time             timestamptz not null,     -- CloudEvents time
    data             jsonb not null,           -- the CloudEvents data, without the subscription's id
    correlator       text,                     -- x-correlator of the call that caused it
    ends             boolean not null default false,  -- the last one: the lane closes behind it
    status           text not null,            -- PENDING, DELIVERED, DEAD, DROPPED
    created_at       timestamptz not null,
    queued_at        timestamptz not null,     -- created, or replayed: the time for retries counts from here
    attempts         integer not null default 0,  -- since queued_at
    attempted_at     timestamptz,
    finished_at      timestamptz,
    last_status      integer,
    last_error       text,
    primary key (bucket, subscription_id, n)
) with (fillfactor = 80);
create index delivery_sim on delivery (bucket, imsi, event);
create index delivery_age on delivery using brin (created_at);

-- What each attempt to hand a delivery out met with.
create table delivery_attempt (
    bucket           smallint not null,
    subscription_id  text collate "C" not null,
    n                integer not null,
    at               timestamptz not null,
    duration_ms      integer not null,
    status           integer,                  -- HTTP status; null: no answer
    error            text,
    answer           text,                     -- first bytes of the answer's body
    primary key (bucket, subscription_id, n, at)
);
create index delivery_attempt_age on delivery_attempt using brin (at);

-- Records of traffic. `imsi` is null while the SIM is unknown; the bucket is then that of the gateway's name.
create table sms (
    bucket       smallint not null,
    gateway_id   integer not null,
    key          bytea not null,               -- SHA-256 over what identifies a message
    direction    text not null,                -- inbound, outbound, report
    imsi         text collate "C",
    port         integer,
    slot         integer,
    pool         text,
    pool_slot    integer,
    at           timestamptz not null,
    sender       text,
    receiver     text,
    content      text,
    status       integer,
    detail       jsonb,
    received_at  timestamptz not null,
    primary key (bucket, gateway_id, key)
);
create index sms_sim on sms (bucket, imsi, at);

create table call_record (
    bucket       smallint not null,
    gateway_id   integer not null,
    call_id      text collate "C" not null,    -- SIP Call-ID
    imsi         text collate "C",
    port         integer,
    slot         integer,
    direction    text,                         -- outbound, inbound
    caller       text,
    callee       text,
    begin_at     timestamptz,
    alert_at     timestamptz,
    answer_at    timestamptz,
    end_at       timestamptz,
    update_at    timestamptz,
    reason_code  integer,
    reason       text,
    detail       jsonb,
    received_at  timestamptz not null,
    primary key (bucket, gateway_id, call_id)
);
create index call_record_id on call_record (gateway_id, call_id);
create index call_record_sim on call_record (bucket, imsi, begin_at);

-- Who works on which share of the buckets.
create table lease (
    role   text not null,
    share  smallint not null,
    owner  text not null,
    until  timestamptz not null,
    primary key (role, share)
);

-- Who is there to take shares.
create table lease_worker (
    role   text not null,
    owner  text not null,
    until  timestamptz not null,
    primary key (role, owner)
);
