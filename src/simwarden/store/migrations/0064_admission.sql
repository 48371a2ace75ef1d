-- What Simwarden answered when it was asked to admit a session, as its element repeats it (RADIUS: Class).
alter table session add column decision text collate "C";
