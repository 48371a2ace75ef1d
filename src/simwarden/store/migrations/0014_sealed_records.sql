-- Texts of short messages, numbers of calls, sinks' queries and headers are sealed. Rows from before are sealed by the
-- server beside its work (store/personal.py); the columns in clear stay for them, empty afterwards, and so do the indexes
-- by which they are found.

alter table sms add column sealed bytea;                      -- sender, receiver, content, detail
create index sms_plain on sms (received_at) where sealed is null;
create index sms_age on sms using brin (received_at);

alter table call_record
    add column sealed_caller  bytea,
    add column sealed_callee  bytea,
    add column sealed_detail  bytea;
create index call_record_plain on call_record (gateway_id)
    where caller is not null or callee is not null or detail is not null;
create index call_record_age on call_record using brin (received_at);

-- The sink and its settings as the customer gave them; `sink` and `protocol_settings` are masked where this is not null.
alter table subscription add column sealed_target bytea;
create index subscription_plain on subscription (bucket)
    where sealed_target is null and (protocol_settings is not null or sink like '%?%');

alter table gateway_reject add column sealed boolean not null default false;  -- whether the body is
