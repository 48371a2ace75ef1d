-- What a SIM may do in an hour, and when the first of its bars ends by itself.
alter table sim add column limits jsonb, add column due_at timestamptz;
create index sim_due on sim (due_at) where due_at is not null;
