-- What SMPP does not tell: which messages come again, and which parts belong together.

-- name: sims
select value, imsi from sim_identifier where kind = 'msisdn' and value = any ($1::text[])

-- name: newest
select distinct on (digest) digest, n, session, answered, received_at from smpp_message
where gateway_id = $1 and digest = any ($2::bytea[])
order by digest, n desc

-- name: add
insert into smpp_message (gateway_id, digest, n, session, received_at)
select $1, i.digest, i.n, $4, $5 from unnest($2::bytea[], $3::int[]) as i (digest, n)
on conflict do nothing

-- name: answered
update smpp_message m set answered = true
from unnest($2::bytea[], $3::int[]) as i (digest, n)
where m.gateway_id = $1 and m.digest = i.digest and m.n = i.n

-- name: begin_set
-- The parts of an earlier message with the same reference.
delete from smpp_part p
where p.gateway_id = $1 and p.digest = $2
  and exists (select 1 from smpp_part d where d.gateway_id = $1 and d.digest = $2 and d.done and d.received_at < $3)

-- name: drop_done
delete from smpp_part where gateway_id = $1 and digest = $2 and done

-- name: add_part
insert into smpp_part (gateway_id, digest, part, total, sealed, received_at) values ($1, $2, $3, $4, $5, $6)
on conflict do nothing

-- name: parts
select part, total, sealed, received_at, done from smpp_part where gateway_id = $1 and digest = $2 order by part

-- name: overdue
select digest from smpp_part where gateway_id = $1 and not done
group by digest having min(received_at) < $2
limit 100

-- name: done
update smpp_part set done = true where gateway_id = $1 and digest = $2

-- name: forget_messages
delete from smpp_message where received_at < $1

-- name: forget_parts
-- Those that are not done go too when they are old: their message centre was deleted.
delete from smpp_part where (done and received_at < $1) or received_at < $2
