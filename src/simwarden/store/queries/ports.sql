-- name: locked_slots
select imsi, port, slot from gateway_port where gateway_id = $1 and held

-- name: changed_ports
select i.ord, p.*
from unnest(string_to_array($1, e'\n')::int[], string_to_array($2, e'\n')::int[], string_to_array($3, e'\n')::int[],
            string_to_array($4, e'\n', '')::int[], string_to_array($5, e'\n', ''), string_to_array($6, e'\n', ''),
            string_to_array($7, e'\n', ''), string_to_array($8, e'\n')::int[], string_to_array($10, e'\n', ''))
     with ordinality as i (gateway_id, port, slot, status, imei, imsi, iccid, boot, plmn, ord)
left join gateway_port p on p.gateway_id = i.gateway_id and p.port = i.port and p.slot = i.slot
where i.ord between 1 and 1000000000 /* one plan */ and (
   p.gateway_id is null
   or p.status is distinct from i.status
   or p.imsi is distinct from i.imsi
   or p.imei is distinct from i.imei
   or p.iccid is distinct from i.iccid
   or p.plmn is distinct from i.plmn
   or p.boot <> i.boot
   or p.reported_at < $9)

-- name: save_ports
insert into gateway_port as p (gateway_id, port, slot, boot, sequence, status, status_text, imei, imsi, iccid, msisdn,
                               plmn, operator, signal, detail, changed_at, reported_at)
select * from unnest($1::int[], $2::int[], $3::int[], $4::int[], $5::bigint[], $6::int[], $7::text[], $8::text[],
                     $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::int[], $15::jsonb[],
                     $16::timestamptz[], $17::timestamptz[])
on conflict (gateway_id, port, slot) do update
set boot = excluded.boot, sequence = excluded.sequence, status = excluded.status, status_text = excluded.status_text,
    imei = excluded.imei, imsi = excluded.imsi, iccid = excluded.iccid, msisdn = excluded.msisdn, plmn = excluded.plmn,
    operator = excluded.operator, signal = excluded.signal, detail = excluded.detail, changed_at = excluded.changed_at, reported_at = excluded.reported_at

-- name: prune_ports
-- Those that were reported longest ago, but none with a lock of ours or where something is to be done.
delete from gateway_port p
using (select gateway_id, port, slot,
              row_number() over (partition by gateway_id order by reported_at desc, port, slot) as n
       from gateway_port where gateway_id = any ($1::int[])) as old
where old.n > $2 and p.gateway_id = old.gateway_id and p.port = old.port and p.slot = old.slot and not p.held
  and not exists (select 1 from attachment a
                  where a.element_id = p.gateway_id
                    and a.target = p.port || case when p.slot < 10 then '.0' else '.' end || p.slot)

-- name: remember_locks
insert into gateway_port (gateway_id, port, slot, boot, held, changed_at, reported_at)
select gateway_id, port, slot, -1, true, now(), now()
from unnest($1::int[], $2::int[], $3::int[]) as i (gateway_id, port, slot)
on conflict (gateway_id, port, slot) do update set held = true

-- name: forget_locks
update gateway_port p set held = false
from unnest($1::int[], $2::int[], $3::int[]) as i (gateway_id, port, slot)
where p.gateway_id = i.gateway_id and p.port = i.port and p.slot = i.slot and p.held

-- name: locked_by_us
select i.ord
from unnest($1::int[], $2::int[], $3::int[]) with ordinality as i (gateway_id, port, slot, ord)
join gateway_port p on p.gateway_id = i.gateway_id and p.port = i.port and p.slot = i.slot
where p.held and i.ord between 1 and 1000000000 /* one plan */

-- name: of_gateway
select * from gateway_port where gateway_id = $1 order by port, slot

-- name: sims_at
select i.ord, p.imsi, p.iccid, p.imei
from unnest($1::int[], $2::int[], $3::int[]) with ordinality as i (gateway_id, port, slot, ord)
join gateway_port p on p.gateway_id = i.gateway_id and p.port = i.port and p.slot = i.slot
where p.imsi is not null
