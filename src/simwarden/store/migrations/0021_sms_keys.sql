-- A message keeps the bucket of its first report, as a call does: whose SIM it is may be known by the slot only, and
-- another card may be in the slot when the gateway repeats the report.
create index sms_key on sms (gateway_id, key);
