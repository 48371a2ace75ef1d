-- Attachments are at targets of network elements: a slot of a SIM gateway (`3.02`: port 3, slot 2), a session, a
-- subscriber. Stop servers of the version before first: they know the columns by their old names.
alter table attachment drop constraint attachment_pkey;
drop index attachment_slot;
alter table attachment rename column gateway_id to element_id;
alter table attachment rename column slot to target;
alter table attachment
    alter column target type text collate "C" using port || case when target < 10 then '.0' else '.' end || target;
alter table attachment
    drop column port,
    add column groups smallint not null default 128,        -- sets of functions that can be switched, a bit for each set
    add column phase text not null default 'IDLE';          -- of the command: IDLE, SENT, ANSWERED
alter table attachment add primary key (bucket, imsi, element_id, target);
create index attachment_target on attachment (element_id, target);

-- What was known by an error text until now.
update attachment set phase = 'SENT', last_error = null
where status <> 'APPLIED' and last_error = 'The gateway has not answered the command yet';
update attachment set phase = 'ANSWERED'
where status <> 'APPLIED' and commanded_at is not null and desired <> 7 and last_error is null and phase = 'IDLE';
