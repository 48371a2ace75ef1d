-- The access point of a charging session: an update may leave it out. Null: of a session that was opened before, unknown.
alter table charging_session add column apn text;
