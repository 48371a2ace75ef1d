-- Who may use a SIM's data for what.

-- name: of_sim
select app_key, purpose, msisdn, granted, scopes, decided_at, decided_by
from consent where app_key = $1 and purpose = $2 and msisdn in ('', $3)

-- name: page
select c.app_key, c.purpose, c.msisdn, c.granted, c.scopes, c.decided_at, c.decided_by
from consent c join application a on a.app_key = c.app_key
where ($1::text is null or a.account_id = $1) and ($2::text is null or c.app_key = $2)
  and ($3::text is null or c.msisdn = $3)
  and (c.app_key collate "C", c.purpose collate "C", c.msisdn collate "C") > ($4::text, $5::text, $6::text)
order by c.app_key collate "C", c.purpose collate "C", c.msisdn collate "C"
limit $7

-- name: set
insert into consent (app_key, purpose, msisdn, granted, scopes, decided_at, decided_by)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict (app_key, purpose, msisdn) do update
set granted = excluded.granted, scopes = excluded.scopes, decided_at = excluded.decided_at, decided_by = excluded.decided_by

-- name: delete
delete from consent where app_key = $1 and purpose = $2 and msisdn = $3 returning app_key
