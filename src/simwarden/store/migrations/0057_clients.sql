-- What was agreed with an application's owner beside its APPKEY and APPSECRET: how it proves who it is, and which ways to a
-- token it may take. An application without a row here has none of it.
create table client (
    app_key                  text primary key,
    keys                     jsonb,                          -- its public keys (RFC 7517 clause 5), or
    keys_url                 text,                           -- where they are
    keys_only                boolean not null default false, -- its APPSECRET opens nothing
    grants                   text[] not null default '{}',   -- ways to a token beside client credentials
    purposes                 text[] not null default '{}',   -- what it may declare (dpv:)
    redirect_uris            text[] not null default '{}',
    asks_user                boolean not null default false, -- whoever uses a SIM may be asked for consent
    outside_id               text unique,                    -- what the outside issuer calls it
    signing_secret           bytea,                          -- encrypted; signs requests
    previous_signing_secret  bytea,
    previous_signing_until   timestamptz                     -- the one before is good until then
);

-- Whether an application may use the data of a SIM, or of all SIMs of its account, for a purpose.
create table consent (
    app_key     text not null,
    purpose     text not null,
    msisdn      text not null,         -- empty: all SIMs of the account
    granted     boolean not null,
    scopes      text[] not null,       -- empty: all that the application has
    decided_at  timestamptz not null,
    decided_by  text not null,         -- 'operator', or 'user' on the page
    primary key (app_key, purpose, msisdn)
);

-- Access tokens that are no good any more before they expire: one by its jti, or all of a consent.
create table token_revocation (
    app_key     text not null,
    name        text not null,
    before      timestamptz not null,  -- tokens issued until then
    expires_at  timestamptz not null,
    primary key (app_key, name)
);
create index token_revocation_age on token_revocation (expires_at);

-- What may be used once: ids of signed assertions, nonces of signed requests.
create table used_once (
    bucket      smallint not null,     -- of the digest
    digest      bytea not null,
    expires_at  timestamptz not null,
    primary key (bucket, digest)
);
create index used_once_age on used_once (bucket, expires_at);

-- Requests for a token about a SIM that were begun over the back channel (OpenID Connect CIBA).
create table backchannel_request (
    digest      bytea primary key,     -- of its auth_req_id
    app_key     text not null,
    msisdn      text not null,
    scopes      text[] not null,       -- openid and the purpose among them
    purpose     text not null,
    created_at  timestamptz not null,
    expires_at  timestamptz not null,
    pause       integer not null,      -- seconds between two polls
    polled_at   timestamptz,
    used_at     timestamptz
);
create index backchannel_request_age on backchannel_request (expires_at);
create index backchannel_request_open on backchannel_request (app_key, expires_at) where used_at is null;

-- Authorization codes (RFC 6749 clause 4.1).
create table authorization_code (
    digest        bytea primary key,
    app_key       text not null,
    msisdn        text not null,
    scopes        text[] not null,
    purpose       text not null,
    redirect_uri  text not null,
    challenge     text not null,       -- of PKCE, S256
    nonce         text,
    created_at    timestamptz not null,
    expires_at    timestamptz not null,
    used_at       timestamptz,
    token_id      text                 -- jti of the access token that it was given for
);
create index authorization_code_age on authorization_code (expires_at);
