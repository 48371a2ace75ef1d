-- Subscriptions to unusual traffic with hotzones, and the days of SIMs that are to be looked at for them.

-- name: add_watch
insert into hotzone_watch (bucket, subscription_id, imsi, countries, prefixes, lists, kinds, side, directions, method,
                           threshold, since)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)

-- name: add_watch_all
insert into hotzone_watch_all (subscription_id, account_id, countries, prefixes, lists, kinds, side, directions, method,
                               threshold, since)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)

-- name: anybody_waits
select exists (select 1 from hotzone_watch where bucket = any ($1::smallint[]))
    or exists (select 1 from hotzone_watch_all)

-- name: note
-- Of counts that were just added to, the days that somebody waits for. What is in the account's lists is looked up later.
insert into hotzone_due (bucket, imsi, day, batch, account_id, cause, at)
select distinct i.bucket, i.imsi, i.day, $9::uuid, s.account_id, i.cause, $10::timestamptz
from unnest($1::smallint[], $2::text[], $3::date[], $4::text[], $5::text[], $6::text[], $7::text[], $8::jsonb[])
     as i (bucket, imsi, day, kind, direction, zone, prefix, cause)
join sim s on s.bucket = i.bucket and s.imsi = i.imsi and s.bucket = any ($1::smallint[])
where exists (select 1 from hotzone_watch w
              where w.bucket = i.bucket and w.imsi = i.imsi and w.bucket = any ($1::smallint[])
                and i.day >= w.since and i.kind = any (w.kinds) and i.direction = any (w.directions)
                and (i.zone = any (w.countries) or i.prefix ^@ any (w.prefixes) or w.lists <> '{}'))
   or exists (select 1 from hotzone_watch_all w
              where w.account_id = s.account_id
                and i.day >= w.since and i.kind = any (w.kinds) and i.direction = any (w.directions)
                and (i.zone = any (w.countries) or i.prefix ^@ any (w.prefixes) or w.lists <> '{}'))
on conflict (bucket, imsi, day, batch) do nothing

-- name: wake
select pg_notify('simwarden_hotzone', '')

-- name: next_account
-- The next account of which days wait, in the order of their ids.
select account_id from hotzone_due where bucket = any ($1::smallint[]) and account_id > $2 order by account_id limit 1

-- name: due
select imsi, day, batch, cause from hotzone_due
where bucket = any ($1::smallint[]) and account_id = $2
order by at
limit $3

-- name: watches_of_sims
select w.* from unnest($1::smallint[], $2::text[]) as i (bucket, imsi)
join hotzone_watch w on w.bucket = i.bucket and w.imsi = i.imsi
join subscription s on s.bucket = w.bucket and s.id = w.subscription_id and s.ended_at is null
where w.bucket = any ($1::smallint[]) and s.bucket = any ($1::smallint[])

-- name: watches_of_account
select * from hotzone_watch_all where account_id = $1

-- name: told
select t.imsi, t.subscription_id, t.day, t.zone from hotzone_told t
join unnest($1::smallint[], $2::text[], $3::date[]) as i (bucket, imsi, day)
  on t.bucket = i.bucket and t.imsi = i.imsi and t.day = i.day
where t.bucket = any ($1::smallint[])

-- name: tell
insert into hotzone_told (bucket, imsi, subscription_id, day, zone)
select * from unnest($1::smallint[], $2::text[], $3::text[], $4::date[], $5::text[])
on conflict (bucket, imsi, subscription_id, day, zone) do nothing
returning imsi, subscription_id, day, zone

-- name: done
delete from hotzone_due d
using unnest($1::smallint[], $2::text[], $3::date[], $4::uuid[]) as i (bucket, imsi, day, batch)
where d.bucket = i.bucket and d.imsi = i.imsi and d.day = i.day and d.batch = i.batch and d.bucket = any ($1::smallint[])

-- name: lock_outboxes
-- The live ones, of one bucket.
select * from subscription where bucket = $1 and id = any ($2::text[]) and ended_at is null order by id for update

-- name: forget
delete from hotzone_told t
using unnest($1::smallint[], $2::text[]) as i (bucket, imsi)
where t.bucket = i.bucket and t.imsi = i.imsi and t.bucket = any ($1::smallint[])

-- name: forget_due
delete from hotzone_due t
using unnest($1::smallint[], $2::text[]) as i (bucket, imsi)
where t.bucket = i.bucket and t.imsi = i.imsi and t.bucket = any ($1::smallint[])

-- name: prune
delete from hotzone_told where bucket = $1 and day < $2
  and ctid = any (array(select ctid from hotzone_told where bucket = $1 and day < $2 limit $3 for update skip locked))

-- name: all_watches
select subscription_id from hotzone_watch_all

-- name: living
select id from subscription where bucket = any ($1::smallint[]) and id = any ($2::text[]) and ended_at is null

-- name: drop_watches
delete from hotzone_watch_all where subscription_id = any ($1::text[])

