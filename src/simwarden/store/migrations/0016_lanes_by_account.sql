-- Lanes that wait, by account and origin: accounts take turns, and one that is full is stepped over.

create index subscription_account_lane on subscription (account_id, origin, lane_due_at)
    where lane_due_at is not null and inbox is null;
drop index subscription_origin_lane;
