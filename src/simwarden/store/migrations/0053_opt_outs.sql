-- Opt-outs are listed: with the receiver, sealed, where it is known (it was not kept before), and who asked for it. For all
-- numbers of an account `number` is *.
alter table opt_out
    add column sealed bytea,
    add column source text not null default 'MESSAGE';
create index opt_out_account on opt_out (account_id, since, number, peer);

-- Words that opt out, of accounts that have others than the usual ones. A reference table on Citus.
create table opt_out_words (
    account_id  text primary key references account (id),
    words       text[] not null
);
