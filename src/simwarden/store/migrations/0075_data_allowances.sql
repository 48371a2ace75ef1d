-- How far a SIM had come in its data allowance when that was looked at last: in the month that began then, so many per cent
-- (50, 75, 90; 100: more than all of it). Null: it was never looked at.
alter table sim_standing add column volume_month date, add column volume_percent smallint;
