-- Operators' keys have a role, and what operators did is a chain in which a row that was changed or taken away shows.

alter table application
    add column role     text check (role in ('viewer', 'operator', 'admin', 'billing')), -- of an operator's key
    add column manages  text;  -- of a reseller's key: the account that it and whose sub-accounts it is for
update application set role = case when 'manage:write' = any (scopes) then 'admin' else 'viewer' end
where account_id = 'operator';

-- A worker's acts of one day (UTC). Each chain names the seal of the chain before it.
create table audit_chain (
    n           bigint primary key,
    day         date not null,
    server      text not null,          -- the worker
    opened_at   timestamptz not null,
    previous    bytea not null,         -- seal of chain n - 1, empty for the first one
    seal        bytea not null,         -- HMAC of all of the above
    links       bigint not null,        -- rows so far
    last        bytea not null,         -- digest of the last one; the seal while there is none
    head        bytea not null          -- HMAC of links and last
);

alter table operator_act
    add column address  text not null default '',  -- where the call came from
    add column session  text,                      -- of a person; null: a key
    add column role     text,
    add column changes  text,                      -- JSON: property to what it was and what it is
    add column chain    bigint,                    -- null: a row from before there were chains
    add column link     bigint,
    add column digest   bytea,                     -- HMAC of the row and the digest before it
    alter column detail type text using detail::text;
create unique index operator_act_link on operator_act (chain, link);

create function audit_is_kept() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' and current_setting('simwarden.audit_prune', true) = 'on' then
        return old;
    end if;
    raise exception 'what operators did is not changed' using errcode = 'insufficient_privilege';
end
$$;
create trigger operator_act_is_kept before update or delete on operator_act
    for each row execute function audit_is_kept();
create trigger operator_act_is_not_emptied before truncate on operator_act
    for each statement execute function audit_is_kept();
create trigger audit_chain_is_kept before delete on audit_chain
    for each row execute function audit_is_kept();

-- What is old goes chain by chain, the oldest first, until this many rows are gone.
create function audit_prune(until timestamptz, most bigint) returns bigint
language plpgsql set simwarden.audit_prune = 'on' as $$
declare
    gone bigint;
    oldest bigint;
    rows bigint;
begin
    delete from operator_act where id in (
        select id from operator_act where chain is null and at < until order by at limit most);
    get diagnostics gone = row_count;
    while gone < most loop
        select n into oldest from audit_chain order by n limit 1;
        exit when oldest is null or exists (
            select from audit_chain where n = oldest and day >= (until at time zone 'UTC')::date);
        delete from operator_act where chain = oldest;
        get diagnostics rows = row_count;
        delete from audit_chain where n = oldest;
        gone := gone + greatest(rows, 1);
    end loop;
    return gone;
end
$$;
