-- What rules remember of a SIM is read without a lock and written where it is still as it was read.
alter table risk_state
    add column version      integer not null default 1,  -- how often it was written
    add column first_event  integer;                      -- of the SIM's life that it is of; null: from before
