-- Operators as people: who they are, their sessions, and what guards their passwords.

create table operator_user (
    id            text primary key,
    email         text not null,             -- in small letters
    name          text not null,
    role          text not null check (role in ('viewer', 'operator', 'admin', 'billing')),
    manages       text,                      -- of a reseller's people: the account that they and its sub-accounts are theirs
    issuer        text,                      -- who logs in at an OpenID provider: which one,
    subject       text,                      -- and who he is there
    password      text,                      -- Argon2id, in PHC form; null: none was set yet, or he logs in elsewhere
    totp          bytea,                     -- sealed secret of the second factor; null: there is none
    totp_pending  bytea,                     -- the same, until the first code proves that it arrived
    totp_step     bigint not null default 0, -- of the last code: none counts twice
    created_at    timestamptz not null,
    logged_in_at  timestamptz,
    disabled_at   timestamptz,
    check ((issuer is null) = (subject is null))
);
create unique index operator_user_email on operator_user (email) where issuer is null;
create unique index operator_user_subject on operator_user (issuer, subject);

-- Codes in place of a lost second factor, each good once.
create table operator_recovery (
    user_id  text not null references operator_user (id) on delete cascade,
    hash     bytea not null,
    primary key (user_id, hash)
);

create table operator_session (
    id          text primary key,
    hash        bytea not null unique,   -- of the token
    user_id     text not null references operator_user (id) on delete cascade,
    created_at  timestamptz not null,
    used_at     timestamptz not null,    -- to the minute
    ends_at     timestamptz not null,
    address     text not null,
    method      text not null            -- password, openid or setup
);
create index operator_session_of on operator_session (user_id);

-- From where people were logged in: there a limit of attempts from elsewhere does not shut them out.
create table operator_address (
    user_id  text not null references operator_user (id) on delete cascade,
    address  text not null,
    at       timestamptz not null,
    primary key (user_id, address)
);

-- Codes with which a person sets the (first) password.
create table operator_setup (
    hash     bytea primary key,
    user_id  text not null unique references operator_user (id) on delete cascade,
    ends_at  timestamptz not null
);

-- Attempts that failed, or are under way, by what they are counted for.
create table operator_throttle (
    key       bytea primary key,
    attempts  integer not null,
    since     timestamptz not null
);
create index operator_throttle_since on operator_throttle (since);
