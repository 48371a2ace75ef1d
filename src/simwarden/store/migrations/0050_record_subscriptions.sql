-- Live subscriptions to records: whether there are any for the SIMs of a batch is asked with each, so they have an index of
-- their own, which is empty where nobody subscribes.
create index subscription_records on subscription (bucket, imsi)
where ended_at is null and topic in ('MESSAGE_RECORDED', 'CALL_ENDED', 'USAGE_REACHED');
