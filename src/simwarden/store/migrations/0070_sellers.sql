-- Who sells: the operator, or a reseller (its account) to the accounts below its own. Each has plans, buyers and series
-- of numbers of its own.

alter table plan add column seller text collate "C" not null default 'operator';
alter table plan drop constraint plan_pkey, add primary key (seller, name, valid_from);

alter table account_plan add column seller text collate "C" not null default 'operator';
alter table account_plan drop constraint account_plan_pkey, add primary key (seller, account_id, valid_from);
create index account_plan_account on account_plan (account_id);

-- A seller's own name stands in the row whose buyer is itself.
alter table billing_party add column seller text collate "C" not null default 'operator';
alter table billing_party drop constraint billing_party_pkey, add primary key (seller, account_id);

alter table invoice add column seller text collate "C" not null default 'operator';
alter table invoice drop constraint invoice_kind_fkey;
alter table invoice drop constraint invoice_pkey, add primary key (seller, kind, serial);
alter table invoice drop constraint invoice_number_key, add constraint invoice_number_key unique (seller, number);
alter table invoice add constraint invoice_number_of_account unique (account_id, number);
drop index invoice_once;
create unique index invoice_once on invoice (seller, account_id, month, attempt) where kind = 'INVOICE';
drop index invoice_corrected;
create index invoice_corrected on invoice (seller, corrects) where corrects is not null;

alter table invoice_series add column seller text collate "C" not null default 'operator';
alter table invoice_series drop constraint invoice_series_pkey, add primary key (seller, kind);
alter table invoice add foreign key (seller, kind) references invoice_series (seller, kind);
alter table invoice_series
    add column confirmed bigint not null default 0,  -- the highest number that was handed out, as somebody said after a restore
    add column home      text;                       -- where numbers were given last, as numbering_home() says it

-- Which database this is. A dump that is restored has another table, a standby that is promoted another timeline, a new
-- server another identifier.
create function numbering_home() returns text language sql stable as $$
    select concat_ws('/', (select system_identifier from pg_control_system()),
                     left(pg_walfile_name(pg_current_wal_lsn()), 8), 'invoice_series'::regclass::oid)
$$;
update invoice_series set home = numbering_home();

create or replace function check_series() returns trigger language plpgsql as $$
begin
    if new.seller <> old.seller or new.kind <> old.kind or new.last < old.last or new.confirmed < old.confirmed then
        raise exception 'numbers of invoices only rise' using errcode = 'restrict_violation';
    end if;
    return new;
end $$;

-- A number is the next one of its series: behind the last in this database, and behind what was handed out by another.
create or replace function check_serial() returns trigger language plpgsql as $$
declare
    series invoice_series;
    before bigint;
begin
    select * into series from invoice_series where seller = new.seller and kind = new.kind;
    select coalesce(max(serial), 0) into before from invoice where seller = new.seller and kind = new.kind;
    if new.serial <> greatest(before, series.confirmed) + 1 or new.serial > series.last then
        raise exception 'the number % is not the next one', new.serial using errcode = 'restrict_violation';
    end if;
    return new;
end $$;
