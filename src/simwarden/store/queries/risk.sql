-- name: lock_account
select id from account where id = $1 for update

-- name: count
select count(*) from risk_rule where account_id = $1

-- name: insert
insert into risk_rule (id, account_id, name, is_on, rule, created_at, changed_at) values ($1, $2, $3, $4, $5, $6, $6)
on conflict do nothing
returning id, account_id, name, version, is_on, rule, created_at, changed_at

-- name: page
select id, account_id, name, version, is_on, rule, created_at, changed_at from risk_rule
where ($1::text is null or account_id = $1) and (name, id) > ($2::text, $3::text)
order by name, id limit $4

-- name: find
-- By id, else by its name where only one account has such a rule: more than one row says that several do.
select id, account_id, name, version, is_on, rule, created_at, changed_at from risk_rule
where id = $1 or name = $1 order by (id = $1) desc, id limit 2

-- name: change
update risk_rule set name = $2, version = $3, is_on = $4, rule = $5, changed_at = $6 where id = $1 and version = $3 - 1
returning id, account_id, name, version, is_on, rule, created_at, changed_at

-- name: delete
delete from risk_rule where id = $1

-- name: add_version
insert into risk_rule_version (rule_id, version, account_id, name, is_on, rule, set_at, set_by)
values ($1, $2, $3, $4, $5, $6, $7, $8)

-- name: forget_versions
delete from risk_rule_version where rule_id = $1 and version <= $2

-- name: versions
select version, name, is_on, rule, set_at, set_by from risk_rule_version where rule_id = $1 order by version

-- name: of_accounts
select id, account_id, name, version, is_on, rule, created_at, changed_at from risk_rule
where account_id = any ($1::text[]) and is_on order by id

-- name: stamp
insert into risk_account (account_id, stamp, counts, watches) values ($1, $2, $3, $4)
on conflict (account_id) do update set stamp = excluded.stamp, counts = excluded.counts, watches = excluded.watches

-- name: stamps
select account_id, stamp from risk_account where counts and account_id = any ($1::text[])

-- name: states
select t.imsi, t.state, t.version, t.first_event
from unnest(string_to_array($2, e'\n')::smallint[], string_to_array($3, e'\n')) as i (bucket, imsi)
join risk_state t on t.bucket = i.bucket and t.imsi = i.imsi and t.bucket = any ($1::smallint[]) /* shards */

-- name: save_states
-- Of SIMs in one order for everybody. One of which somebody else wrote something meanwhile is not written, and locked.
insert into risk_state as t (bucket, imsi, first_event, version, state, day)
select i.bucket, i.imsi, i.first_event, i.version, i.state, $6
from unnest(string_to_array($1, e'\n')::smallint[], string_to_array($2, e'\n'), string_to_array($3, e'\n')::int[],
            string_to_array($4, e'\n')::int[], $5::bytea[])
     as i (bucket, imsi, first_event, version, state)
order by i.bucket, i.imsi
on conflict (bucket, imsi) do update
set first_event = excluded.first_event, version = excluded.version, state = excluded.state, day = excluded.day
where t.version = excluded.version - 1
returning imsi

-- name: prune_states
delete from risk_state where bucket = $1 and ctid = any (array(
    select ctid from risk_state where bucket = $1 and day < $2 limit $3 for update skip locked
))

-- name: forget_states
delete from risk_state t
using unnest($1::smallint[], $2::text[]) as i (bucket, imsi)
where t.bucket = any ($1::smallint[]) and t.bucket = i.bucket and t.imsi = i.imsi

-- name: tag
update sim set tags = tags || $3::text
where bucket = $1 and imsi = $2 and (tags is null or not tags @> array[$3::text] and cardinality(tags) < 32)

-- name: of_silence
select u.id, u.account_id, u.name, u.version, u.is_on, u.rule, u.created_at, u.changed_at
from risk_rule u join risk_account a on a.account_id = u.account_id and a.watches
where u.is_on and u.rule -> 'when' -> 0 ->> 'signal' = 'silence' order by u.id

-- name: next_sims
-- The last of the account's next SIMs by IMSI.
select max(imsi) from (
    select s.imsi from sim s
    where s.bucket = any ($1::smallint[]) and s.account_id = $2 and s.imsi > $3 order by s.imsi limit $4
) p

-- name: silent
-- Of the account's SIMs between two IMSIs, those that nobody has seen since then. SIMs that are kept from the network, and
-- those in a gateway that is silent itself, may be as they are to be.
select s.imsi from sim s
left join risk_silence r
  on r.bucket = s.bucket and r.imsi = s.imsi and r.rule_id = $5 and r.seen_at = s.seen_at and r.bucket = any ($1::smallint[])
left join gateway g on g.id = s.seen_gateway
where s.bucket = any ($1::smallint[]) and s.account_id = $2 and s.imsi > $3 and s.imsi <= $6
  and s.seen_at < $4 and coalesce(s.lifecycle, 'ACTIVE') = 'ACTIVE' and s.functions_off <> 7 and r.imsi is null
  and (g.id is null or (g.silent_since is null and g.out_of_service_at is null))
order by s.imsi

-- name: stands
select true from risk_rule where id = $1 and version = $2 and is_on

-- name: noted_silences
select imsi, seen_at from risk_silence
where bucket = any ($1::smallint[]) and imsi = any ($2::text[]) and rule_id = $3

-- name: note_silences
insert into risk_silence (bucket, imsi, rule_id, seen_at)
select i.bucket, i.imsi, $4, i.seen_at from unnest($1::smallint[], $2::text[], $3::timestamptz[]) as i (bucket, imsi, seen_at)
on conflict (bucket, imsi, rule_id) do update set seen_at = excluded.seen_at

-- name: forget_silences
delete from risk_silence t
using unnest($1::smallint[], $2::text[]) as i (bucket, imsi)
where t.bucket = any ($1::smallint[]) and t.bucket = i.bucket and t.imsi = i.imsi

-- name: prune_silences
-- Of rules that are no more.
delete from risk_silence t where t.bucket = $1 and t.ctid = any (array(
    select r.ctid from risk_silence r
    where r.bucket = $1 and not exists (select 1 from risk_rule u where u.id = r.rule_id) limit $2 for update skip locked
))

-- name: reached
-- Countries that SIMs wrote to or called, by the counts of days before this one.
select i.imsi, t.zone
from unnest(string_to_array($2, e'\n')::smallint[], string_to_array($3, e'\n')) as i (bucket, imsi)
cross join lateral (
    select distinct d.zone from traffic_day d
    where d.bucket = i.bucket and d.imsi = i.imsi and d.bucket = any ($1::smallint[]) /* shards */
      and d.day < $4 and d.direction <> 'inbound' and d.count > 0
) t
