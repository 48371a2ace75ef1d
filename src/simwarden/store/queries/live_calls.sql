-- Calls of SIMs that may go on. Every statement carries the bucket.

-- name: newest
select c.bucket, c.imsi, c.begin_at, c.answer_at, c.end_at, c.received_at
from call_record c
join sim s on s.bucket = c.bucket and s.imsi = c.imsi and s.bucket = $1 and s.created_at <= c.begin_at
where c.bucket = $1 and c.imsi = $2 and c.begin_at > $3
order by c.begin_at desc
limit 10
