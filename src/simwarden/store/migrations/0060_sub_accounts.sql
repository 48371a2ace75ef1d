-- A reseller's customers are accounts below its own. An account never changes its parent, so there are no circles.

alter table account add column parent_id text;  -- null: a customer of the operator itself
create index account_parent on account (parent_id) where parent_id is not null;
