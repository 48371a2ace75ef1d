-- What operators did: chains of rows that are added to at the end and pruned at the beginning.

-- name: lock_chains
select pg_advisory_xact_lock($1)

-- name: newest_chain
select n, seal from audit_chain order by n desc limit 1

-- name: open_chain
insert into audit_chain (n, day, server, opened_at, previous, seal, links, last, head)
values ($1, $2, $3, $4, $5, $6, 0, $6, $7)

-- name: add_acts
-- One row comes back unless the chain is not as its worker left it; then nothing is to be kept.
with moved as (
    update audit_chain set links = $2, last = $3, head = $4 where n = $1 and links = $5 and last = $6 returning n
), added as (
    insert into operator_act (chain, link, digest, at, app_key, key_name, operation, target, status, code, correlator,
                              detail, address, session, role, changes)
    select moved.n, a.* from moved, unnest($7::bigint[], $8::bytea[], $9::timestamptz[], $10::text[], $11::text[],
        $12::text[], $13::text[], $14::int[], $15::text[], $16::text[], $17::text[], $18::text[], $19::text[],
        $20::text[], $21::text[]) as a
)
select n from moved

-- name: acts
select id, at, app_key, key_name, operation, target, status, code, correlator, detail, address, session, role, changes
from operator_act
where id < $1
  and ($2::text is null or app_key = $2 or key_name = $2)
  and ($3::text is null or operation = $3)
  and ($4::text[] is null or target = any ($4))
  and ($5::timestamptz is null or at >= $5)
  and ($6::timestamptz is null or at < $6)
  and ($7::text is null or correlator = $7)
order by id desc limit $8

-- name: chains
select n, day, server, opened_at, previous, seal, links, last, head from audit_chain where n > $1 order by n limit $2

-- name: chain_rows
select id, link, digest, at, app_key, key_name, operation, target, status, code, correlator, detail, address, session,
       role, changes
from operator_act where chain = $1 and link > $2 order by link limit $3

-- name: lost
-- Rows whose chain is gone, and rows of none that are younger than the first chain.
select count(*) from operator_act a
where (chain is not null and not exists (select from audit_chain c where c.n = a.chain))
   or (chain is null and id > (select min(id) from operator_act where chain is not null))

-- name: prune
select audit_prune($1, $2)
