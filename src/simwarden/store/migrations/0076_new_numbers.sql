-- A SIM that was registered with its phone number, of which the record knew nothing: the assignment began at created_at
-- and has no row in number_assignment (decision 0065). Null: a row says since when, as it does of all SIMs before.
alter table sim add column number_new boolean;
