-- When rules last counted something of a SIM, by the day, so that what they remember is deleted when records would be.
-- A day, as an index on it lets a row that is written several times a day stay in its page.
alter table risk_state add column day date not null default current_date;
create index risk_state_day on risk_state (bucket, day);
