-- The operator's hand on subscriptions: paused, handed over; ended with their application.

-- Who takes over the subscriptions of an application that is revoked; null: they end.
alter table application add column successor text references application (app_key);
-- Nothing is sent since then; the lane's due time is `infinity`.
alter table subscription add column paused_at timestamptz;
create index subscription_live_app on subscription (app_key, bucket, id) where ended_at is null;
