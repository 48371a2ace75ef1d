-- What the sandbox plays may have data of its own, by type of event.
alter table sandbox_change add column data jsonb;
