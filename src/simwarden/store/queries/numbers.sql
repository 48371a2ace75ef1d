-- Which SIMs have had which phone numbers. Every statement carries the bucket, which is the number's.

-- name: current
-- Numbers that are these accounts' now. The number of another account gives no row: whose it is is asked here, as it
-- may be looked up before its SIM is found.
select n.number, n.imsi, n.account_id, n.since, null::timestamptz as until, n.sim_since, n.owner_since, n.begin_known
from unnest(string_to_array($2, e'\n')::smallint[], string_to_array($3, e'\n'), string_to_array($4, e'\n'))
     with ordinality as i (bucket, number, account_id, ord)
join number_assignment n on n.bucket = i.bucket and n.number = i.number and n.until = 'infinity'
     and n.account_id = i.account_id and n.bucket = any ($1::smallint[]) /* shards */
where i.ord between 1 and 1000000000 /* one plan */

-- name: of_numbers
-- Numbers that nobody has had before, which most are that are registered, cost a probe.
select n.number, n.imsi, n.account_id, n.since, nullif(n.until, 'infinity') as until, n.sim_since, n.owner_since,
       n.begin_known
from unnest(string_to_array($2, e'\n')::smallint[], string_to_array($3, e'\n')) as i (bucket, number)
join number_assignment n on n.bucket = i.bucket and n.number = i.number and n.bucket = any ($1::smallint[])

-- name: unmark
-- SIMs whose numbers were found to have rows.
update sim set number_new = null
from unnest($1::smallint[], $2::text[]) as i (bucket, imsi)
where sim.bucket = i.bucket and sim.imsi = i.imsi and sim.bucket = any ($1::smallint[])

-- name: insert
-- An assignment that nobody has said to be over is replaced.
insert into number_assignment (bucket, number, since, imsi, account_id, sim_since, owner_since, begin_known, until)
select * from unnest(string_to_array($1, e'\n')::smallint[], string_to_array($2, e'\n'),
                     string_to_array($3, e'\n')::timestamptz[], string_to_array($4, e'\n'), string_to_array($5, e'\n'),
                     string_to_array($6, e'\n')::timestamptz[], string_to_array($7, e'\n')::timestamptz[],
                     string_to_array($8, e'\n')::boolean[], string_to_array($9, e'\n')::timestamptz[])
on conflict (bucket, number, until) do update
set since = excluded.since, imsi = excluded.imsi, account_id = excluded.account_id, sim_since = excluded.sim_since,
    owner_since = excluded.owner_since, begin_known = excluded.begin_known

-- name: release
update number_assignment n set until = $4
from unnest($1::smallint[], $2::text[], $3::text[]) as i (bucket, number, imsi)
where n.bucket = i.bucket and n.number = i.number and n.imsi = i.imsi and n.until = 'infinity'
  and n.bucket = any ($1::smallint[])

-- name: followed
-- Those of these numbers that somebody of the account follows.
select distinct s.bucket, s.imsi as number from subscription s
join unnest($1::smallint[], $2::text[], $3::text[]) as i (bucket, number, account_id)
  on s.bucket = i.bucket and s.imsi = i.number and s.account_id = i.account_id
where s.bucket = any ($1::smallint[]) and s.ended_at is null and s.topic = 'NUMBER_MOVED'
order by 1, 2

-- name: lock_followers
select * from subscription
where bucket = $1 and imsi = $2 and account_id = $3 and ended_at is null and topic = 'NUMBER_MOVED'
order by id
for update
