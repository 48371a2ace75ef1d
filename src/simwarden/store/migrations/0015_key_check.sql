-- A known value under the master key: a server with another key is refused before it writes what nobody else can read.
create table key_check (
    only_row  boolean primary key default true check (only_row),
    sealed    bytea not null,          -- encrypted
    made_at   timestamptz not null default now()
);
