-- Receivers who want no messages from a number of ours, or from any of an account's (*). By the bucket of the number.

-- name: set
insert into opt_out (bucket, account_id, number, peer, since, sealed, source) values ($1, $2, $3, $4, $5, $6, $7)
on conflict do nothing

-- name: lift
delete from opt_out where bucket = $1 and account_id = $2 and number = $3 and peer = $4

-- name: among
select peer from opt_out
where bucket = any ($1::smallint[]) and account_id = $2 and number = any ($3::text[]) and peer = any ($4::bytea[])

-- name: page
-- The newest first, behind $4, $5, $6.
select number, peer, since, sealed, source from opt_out
where bucket = any ($1::smallint[]) and account_id = $2 and ($3::text[] is null or number = any ($3))
  and ($4::timestamptz is null or (since, number, peer) < ($4, $5::text, $6::bytea))
order by since desc, number desc, peer desc
limit $7

-- name: hold
-- Others of the account wait; what refers to it does not.
select id from account where id = $1 for no key update

-- name: count
select count(*) from (
    select 1 from opt_out where bucket = any ($1::smallint[]) and account_id = $2 limit $3
) one

-- name: words
select words from opt_out_words where account_id = $1

-- name: words_of
select account_id, words from opt_out_words where account_id = any ($1::text[])

-- name: set_words
insert into opt_out_words (account_id, words) values ($1, $2) on conflict (account_id) do update set words = excluded.words

-- name: forget_words
delete from opt_out_words where account_id = $1
