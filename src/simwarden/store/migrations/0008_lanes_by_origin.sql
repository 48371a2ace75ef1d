-- Lanes that wait, by origin: a dead origin's thousands are stepped over, not looked through.

create index subscription_origin_lane on subscription (origin, lane_due_at) where lane_due_at is not null and inbox is null;
drop index subscription_lane;
