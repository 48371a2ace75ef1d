-- A session that its element was commanded to end, and has not reported as ended: a later report may show that it goes on.
alter table session add column presumed boolean not null default false;
