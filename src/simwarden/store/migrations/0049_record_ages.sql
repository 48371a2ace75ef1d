-- Old records are found by an index in their order. The summaries that were there (BRIN) never become narrower: where new
-- records have taken the space of old ones, every look for old ones would have read the whole table.
drop index sms_age;
create index sms_age on sms (received_at);
drop index call_record_age;
create index call_record_age on call_record (received_at);
