-- Invoices and credit notes: numbered without gaps, and never changed.

-- Who sells (`operator`), and to whom: names and addresses for invoices.
create table billing_party (
    account_id  text collate "C" primary key,
    document    jsonb not null
);

-- The last number of each series. Its row is locked by whoever issues, until the commit: there is never a gap.
create table invoice_series (
    kind  text collate "C" primary key,
    last  bigint not null
);
insert into invoice_series (kind, last) values ('CREDIT_NOTE', 0), ('INVOICE', 0);

create table invoice (
    kind        text collate "C" not null references invoice_series (kind),
    serial      bigint not null,
    number      text collate "C" not null unique,   -- as it is printed
    account_id  text collate "C" not null,
    month       date not null,
    attempt     integer not null,                   -- of an invoice: how many of this account and month were credited before
    corrects    text collate "C",                   -- of a credit note: the number of its invoice
    issued_at   timestamptz not null,
    currency    text not null,
    net         numeric not null,
    tax         numeric not null,
    total       numeric not null,
    document    text not null,                      -- JSON, as it was issued
    digest      bytea not null,                     -- SHA-256 of the document
    primary key (kind, serial)
);
create unique index invoice_once on invoice (account_id, month, attempt) where kind = 'INVOICE';
create index invoice_corrected on invoice (corrects) where corrects is not null;

create function refuse_change_of_invoice() returns trigger language plpgsql as $$
begin
    raise exception 'invoices and credit notes are never changed or deleted: issue a credit note'
        using errcode = 'restrict_violation';
end $$;
create trigger invoice_stays before update or delete on invoice
    for each row execute function refuse_change_of_invoice();
create trigger invoices_stay before truncate on invoice
    for each statement execute function refuse_change_of_invoice();
create trigger series_stays before delete on invoice_series
    for each row execute function refuse_change_of_invoice();
create trigger series_stay before truncate on invoice_series
    for each statement execute function refuse_change_of_invoice();

create function check_series() returns trigger language plpgsql as $$
begin
    if new.kind <> old.kind or new.last < old.last then
        raise exception 'numbers of invoices only rise' using errcode = 'restrict_violation';
    end if;
    return new;
end $$;
create trigger series_rises before update on invoice_series
    for each row execute function check_series();

-- A number is the next one of its series.
create function check_serial() returns trigger language plpgsql as $$
begin
    if new.serial <> (select coalesce(max(serial), 0) + 1 from invoice where kind = new.kind)
       or new.serial > (select last from invoice_series where kind = new.kind) then
        raise exception 'the number % is not the next one', new.serial using errcode = 'restrict_violation';
    end if;
    return new;
end $$;
create trigger invoice_is_next before insert on invoice
    for each row execute function check_serial();
