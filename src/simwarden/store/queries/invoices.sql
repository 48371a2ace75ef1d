-- name: next
-- Locks the series until the commit. Returns the last number before those that are taken.
update invoice_series set last = last + $2 where kind = $1 returning last - $2 as last

-- name: lock_series
select last from invoice_series where kind = $1 for update

-- name: open
-- Accounts that have an invoice of the month that is not credited as a whole.
select i.account_id from invoice i
left join (select corrects, sum(net) as net from invoice where corrects is not null group by corrects) as c
     on c.corrects = i.number
where i.kind = 'INVOICE' and i.month = $1 and i.account_id = any ($2::text[]) and (c.net is null or c.net < i.net)

-- name: attempts
select account_id, count(*) as n from invoice
where kind = 'INVOICE' and month = $1 and account_id = any ($2::text[]) group by account_id

-- name: insert
insert into invoice (kind, serial, number, account_id, month, attempt, corrects, issued_at, currency, net, tax, total,
                     document, digest)
select kind, serial, number, account_id, month, attempt, corrects, $14, currency, net, tax, total, document, digest
from unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::date[], $6::int[], $7::text[], $8::text[],
            $9::numeric[], $10::numeric[], $11::numeric[], $12::text[], $13::bytea[])
     as i (kind, serial, number, account_id, month, attempt, corrects, currency, net, tax, total, document, digest)
order by kind, serial

-- name: get
select document from invoice where number = $1 and ($2::text is null or account_id = $2)

-- name: credited
select document from invoice where corrects = $1 order by serial

-- name: page
select kind, serial, number, account_id, month, corrects, issued_at, currency, net, tax, total from invoice
where ($1::text is null or account_id = $1) and ($2::date is null or month = $2) and ($3::text is null or kind = $3)
  and ($4::timestamptz is null or (issued_at, number) < ($4::timestamptz, $5::text))
order by issued_at desc, number desc limit $6

-- name: names
select id, name from account where id = any ($1::text[])

-- name: parties
select account_id, document from billing_party where account_id = any ($1::text[])

-- name: set_party
insert into billing_party (account_id, document) values ($1, $2)
on conflict (account_id) do update set document = excluded.document
