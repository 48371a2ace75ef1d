-- name: lock_account
select id from account where id = $1 for update

-- name: sims
select imsi from sim where account_id = $1 order by imsi

-- name: sims_of_account
select count(*) from sim where bucket = any ($2::smallint[]) and account_id = $1

-- name: live_applications
select count(*) from application where account_id = $1 and revoked_at is null

-- name: own_gateways
select count(*) from gateway where account_id = $1

-- name: sub_accounts
select count(*) from account where parent_id = $1

-- name: fixed_lines
select count(*) from fixed_line where account_id = $1

-- name: lines
delete from fixed_line where account_id = $1

-- name: attachments
delete from attachment a
using unnest($1::smallint[], $2::text[]) as i (bucket, imsi)
where a.bucket = i.bucket and a.imsi = i.imsi

-- name: delivery_attempts
delete from delivery_attempt d using subscription s
where s.account_id = $1 and d.bucket = s.bucket and d.subscription_id = s.id

-- name: deliveries
delete from delivery d using subscription s where s.account_id = $1 and d.bucket = s.bucket and d.subscription_id = s.id

-- name: subscriptions
delete from subscription where account_id = $1

-- name: fan_out
delete from fan_out where account_id = $1

-- name: tallies
delete from subscription_tally where account_id = $1

-- name: ranges
delete from account_range where account_id = $1

-- name: hotzones
delete from hotzone_list where account_id = $1

-- name: hotzone_watches
delete from hotzone_watch_all where account_id = $1

-- name: risk_stamp
delete from risk_account where account_id = $1

-- name: risk_versions
delete from risk_rule_version where account_id = $1

-- name: risk_rules
delete from risk_rule where account_id = $1

-- name: areas
delete from area where account_id = $1

-- name: of_buckets_eligibility
delete from eligibility where bucket = any ($2::smallint[]) and account_id = $1

-- name: of_buckets_short_messages
delete from short_message where bucket = any ($2::smallint[]) and account_id = $1

-- name: of_buckets_outgoing_messages
delete from outgoing_message where bucket = any ($2::smallint[]) and account_id = $1

-- name: short_message_turn
delete from short_message_turn where account_id = $1

-- name: opt_out_words
delete from opt_out_words where account_id = $1

-- name: of_buckets_opt_outs
delete from opt_out where bucket = any ($2::smallint[]) and account_id = $1

-- name: alarms
delete from alarm where account_id = $1

-- name: operation_items
delete from operation_item i using operation o where o.account_id = $1 and i.operation_id = o.id

-- name: operation_parts
delete from operation_part p using operation o where o.account_id = $1 and p.operation_id = o.id

-- name: operations
delete from operation where account_id = $1

-- name: idempotency
delete from idempotency i using application a where a.account_id = $1 and i.app_key = a.app_key

-- name: usage
delete from usage_count where account_id = $1

-- name: usage_days
delete from usage_day where account_id = $1

-- name: service_days
delete from service_day where account_id = $1

-- name: of_buckets_services
delete from sim_service_day where bucket = any ($2::smallint[]) and account_id = $1

-- name: of_buckets_service_ends
delete from sim_service_end where bucket = any ($2::smallint[]) and account_id = $1

-- name: buyer
-- Also as a seller; its invoices, and how far their numbers came, stay.
delete from billing_party where account_id = $1 or seller = $1

-- name: plans
delete from account_plan where account_id = $1 or seller = $1

-- name: own_plans
delete from plan where seller = $1

-- name: assignments
delete from number_assignment where bucket = any ($2::smallint[]) and account_id = $1

-- name: requests
delete from request_log where account_id = $1

-- name: inboxes
delete from inbox where account_id = $1

-- name: clients
delete from client where app_key in (select app_key from application where account_id = $1)

-- name: consents
delete from consent where app_key in (select app_key from application where account_id = $1)

-- name: backchannel_requests
delete from backchannel_request where app_key in (select app_key from application where account_id = $1)

-- name: authorization_codes
delete from authorization_code where app_key in (select app_key from application where account_id = $1)

-- name: token_revocations
delete from token_revocation where app_key in (select app_key from application where account_id = $1)

-- name: applications
-- Every process drops what it remembers of the applications as soon as this commits.
with gone as (delete from application where account_id = $1 returning app_key)
select pg_notify('simwarden_application', app_key) from gone

-- name: account
delete from account where id = $1

-- name: gateway_alarms
delete from alarm a using gateway g where g.name = any ($1::text[]) and a.gateway_id = g.id

-- name: gateway_ids
select id from gateway where name = any ($1::text[])

-- name: gateways
with asked as (delete from gateway_poll p using gateway g where g.id = p.gateway_id and g.name = any ($1::text[]))
delete from gateway where name = any ($1::text[])

-- name: call_holds
delete from call_hold h using call_allowance a where a.account_id = $1 and h.key = a.key

-- name: call_allowances
delete from call_allowance where account_id = $1

-- name: call_limits
delete from call_limit where account_id = $1
