-- SIMs named in an operation that there are not, counted when it is begun: limited by application and hour.
alter table operation add column unknown integer not null default 0;
