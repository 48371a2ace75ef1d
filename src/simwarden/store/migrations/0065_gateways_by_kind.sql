-- Receivers read the network elements of their kind every few seconds, and few of many are RADIUS servers or message
-- centres. The columns hardly ever change, so a report still updates its gateway's row in place (HOT).

create index gateway_kind on gateway (kind);
create index gateway_site on gateway (id) where latitude is not null;
