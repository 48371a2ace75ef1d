-- name: next
-- Locks the series until the commit. Returns the last number before those that are taken; none in a database that is not
-- the one in which numbers were given last.
update invoice_series set last = last + $3 where seller = $1 and kind = $2 and home = numbering_home()
returning last - $3 as last

-- name: lock_series
select last from invoice_series where seller = $1 and kind = $2 for update

-- name: add_series
insert into invoice_series (seller, kind, last, home) select $1, unnest($2::text[]), 0, numbering_home()
on conflict do nothing

-- name: lasts
select kind, last from invoice_series where seller = $1

-- name: confirm
-- What was handed out, up to which number, by the database that was before this one. Nothing where this is still the one.
update invoice_series
set last = greatest(last, $3), confirmed = greatest(confirmed, $3), home = numbering_home()
where seller = $1 and kind = $2 and home is distinct from numbering_home()
returning last

-- name: open
-- Accounts that have an invoice of the month by this seller that is not credited as a whole.
select i.account_id from invoice i
left join (select corrects, sum(net) as net from invoice where seller = $1 and corrects is not null group by corrects) as c
     on c.corrects = i.number
where i.seller = $1 and i.kind = 'INVOICE' and i.month = $2 and i.account_id = any ($3::text[])
  and (c.net is null or c.net < i.net)

-- name: attempts
select account_id, count(*) as n from invoice
where seller = $1 and kind = 'INVOICE' and month = $2 and account_id = any ($3::text[]) group by account_id

-- name: insert
insert into invoice (seller, kind, serial, number, account_id, month, attempt, corrects, issued_at, currency, net, tax,
                     total, document, digest)
select $15, kind, serial, number, account_id, month, attempt, corrects, $14, currency, net, tax, total, document, digest
from unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::date[], $6::int[], $7::text[], $8::text[],
            $9::numeric[], $10::numeric[], $11::numeric[], $12::text[], $13::bytea[])
     as i (kind, serial, number, account_id, month, attempt, corrects, currency, net, tax, total, document, digest)
order by kind, serial

-- name: sold
select document from invoice where seller = $1 and number = $2

-- name: bought
select document from invoice where account_id = $1 and number = $2

-- name: credited
select document from invoice where seller = $1 and corrects = $2 order by serial

-- name: page
-- Those that a seller issued, or that an account got.
select kind, serial, number, account_id, month, corrects, issued_at, currency, net, tax, total from invoice
where ($7::text is null or seller = $7) and ($1::text is null or account_id = $1) and ($2::date is null or month = $2)
  and ($3::text is null or kind = $3)
  and ($4::timestamptz is null or (issued_at, number) < ($4::timestamptz, $5::text))
order by issued_at desc, number desc limit $6

-- name: names
select id, name from account where id = any ($1::text[])

-- name: parties
select account_id, document from billing_party where seller = $1 and account_id = any ($2::text[])

-- name: set_party
insert into billing_party (seller, account_id, document) values ($1, $2, $3)
on conflict (seller, account_id) do update set document = excluded.document
