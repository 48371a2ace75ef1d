-- name: due
select imsi from sim where bucket = any ($1::smallint[]) and due_at <= $2 order by due_at limit $3

-- name: next_due
select min(due_at) from sim where bucket = any ($1::smallint[]) and due_at is not null

-- name: sms_sent
select r.imsi, count(*) as count from sms r
where r.bucket = any ($1::smallint[]) and r.imsi = any ($2::text[]) and r.at >= $3 and r.at < $4 and r.direction = 'outbound'
  and not exists (  -- what came before belongs to who had this IMSI then
      select 1 from sim_deleted d
      where d.bucket = any ($1::smallint[]) and d.bucket = r.bucket and d.imsi = r.imsi and d.deleted_at >= r.received_at
  )
group by r.imsi

-- name: calls_made
select r.imsi, count(*) as count from call_record r
where r.bucket = any ($1::smallint[]) and r.imsi = any ($2::text[]) and r.begin_at >= $3 and r.begin_at < $4
  and r.direction = 'outbound'
  and not exists (
      select 1 from sim_deleted d
      where d.bucket = any ($1::smallint[]) and d.bucket = r.bucket and d.imsi = r.imsi and d.deleted_at >= r.received_at
  )
group by r.imsi
