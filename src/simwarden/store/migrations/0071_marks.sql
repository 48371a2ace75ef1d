-- What few SIMs are, for lists of them. It is made of columns that ordinary changes write (a bind, a function closed by
-- the customer), but does not change by these: so they touch no index, and their updates stay within the page (HOT).
alter table sim add column marks text[] generated always as (nullif(array_remove(array[
    case when state in ('ARMED', 'DIFFERED') then 'state:' || state end,
    case when lifecycle <> 'ACTIVE' then 'life:' || lifecycle end,
    case when bars @> '[{"cause": "IMEI_MISMATCH"}]' then 'bar:IMEI_MISMATCH' end,
    case when bars @> '[{"cause": "AREA_EXIT"}]' then 'bar:AREA_EXIT' end,
    case when bars @> '[{"cause": "SUSPENDED"}]' then 'bar:SUSPENDED' end,
    case when bars @> '[{"cause": "RISK"}]' then 'bar:RISK' end,
    case when bars @> '[{"cause": "QUOTA"}]' then 'bar:QUOTA' end
], null), '{}')) stored;
create index sim_marks on sim using gin (marks) with (fastupdate = off) where marks is not null;
