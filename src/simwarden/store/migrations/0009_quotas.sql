-- Business quotas: how many counted calls (usage_count) an application may make in a day (UTC); null: as many as it likes.

alter table application add column daily_quota bigint check (daily_quota > 0);
