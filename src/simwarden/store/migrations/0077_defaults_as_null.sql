-- What most SIMs have takes no room in their row (decision 0063). Null: state NEUTRAL, lifecycle ACTIVE; no bars, closed
-- APNs or tags. Rows from before are read the same, and become shorter when they are written next.
alter table sim
    alter column state drop not null, alter column state drop default,
    alter column lifecycle drop not null, alter column lifecycle drop default,
    alter column bars drop not null, alter column bars drop default,
    alter column closed_apns drop not null, alter column closed_apns drop default,
    alter column tags drop not null, alter column tags drop default;
