-- Models of devices by type allocation code, imported by the operator.
create table tac (
    tac           text collate "C" primary key,
    manufacturer  text,
    model         text,
    imported_at   timestamptz not null
);
