-- What an operator needs in a day: secrets that change with an overlap, gateways out of service, who did what.

alter table application
    add column previous_secret_hash   bytea,        -- still accepted until then
    add column previous_secret_until  timestamptz,
    add column tokens_from            timestamptz;  -- access tokens issued before this are refused; null: none are

alter table gateway add column out_of_service_at timestamptz;  -- since then it is sent no commands; null: in service

-- Changing calls of the management API, refused ones too.
create table operator_act (
    id          bigint generated always as identity primary key,
    at          timestamptz not null,
    app_key     text not null,            -- of the operator's key
    key_name    text not null,            -- its name at that time
    operation   text not null,            -- operationId
    target      text not null default '', -- what the path names: a SIM, a gateway, ...
    status      integer not null,         -- of the answer
    code        text,                     -- of the error, where it was refused
    correlator  text not null,
    detail      jsonb                     -- the body without passwords and lists
);
create index operator_act_target on operator_act (target, id);
create index operator_act_at on operator_act (at);

-- Calls of all APIs by their correlator: those that failed, or all, as the setting request_log says.
create table request_log (
    id          bigint generated always as identity primary key,
    at          timestamptz not null,
    correlator  text not null,
    api         text not null,
    operation   text,                     -- null: refused before it was clear which
    status      integer not null,
    code        text,
    account_id  text,
    app_key     text,
    duration_ms real not null
);
create index request_log_correlator on request_log (correlator);
create index request_log_at on request_log (at);
