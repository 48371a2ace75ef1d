-- Lines that do not move, with their installation addresses.
create table fixed_line (
    number        text collate "C" primary key,   -- E.164, with its plus sign
    account_id    text not null references account (id),
    latitude      double precision not null,
    longitude     double precision not null,
    radius        double precision not null,      -- metres
    installed_at  timestamptz,
    created_at    timestamptz not null default now()
);
create index fixed_line_account on fixed_line (account_id, number);

-- Addresses that are always a line's own.
create table fixed_line_network (
    network  cidr primary key,
    number   text collate "C" not null references fixed_line (number) on delete cascade
);
create index fixed_line_network_around on fixed_line_network using gist (network inet_ops);
create index fixed_line_network_number on fixed_line_network (number);
