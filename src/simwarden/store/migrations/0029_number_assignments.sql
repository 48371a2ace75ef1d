-- Which SIMs have had which phone numbers, from when to when, by the bucket of the number. Filled from what is known of
-- SIMs, deleted ones too: their last number, and the numbers before, which their SIM_CHANGED events name. A SIM that a
-- server of the version before registers while this runs is missing: that nothing is recorded of it is then the answer.
create table number_assignment (
    bucket       smallint not null,                     -- CRC-32 of the number, lowest byte
    number       text collate "C" not null,
    since        timestamptz not null,
    until        timestamptz not null,                  -- infinity: the SIM has it
    imsi         text collate "C" not null,
    account_id   text not null,
    sim_since    timestamptz not null,                  -- when it came to this SIM from another one
    owner_since  timestamptz not null,                  -- when it came to this account
    begin_known  boolean not null,                      -- owner_since is that time, not just where the record begins
    primary key (bucket, number, until)                 -- whose the number is now is one probe, however often it moved
);

do $$
begin
    if current_setting('server_version_num')::int >= 180000 then
        execute 'create function pg_temp.bucket_of(number text) returns smallint language sql immutable
                 as ''select (crc32(convert_to(number, ''''UTF8'''')) & 255)::smallint''';
    else
        execute '
            create function pg_temp.bucket_of(number text) returns smallint language plpgsql immutable as ''
            declare
                nibbles constant bigint[] := array[0, 498536548, 997073096, 651767980, 1994146192, 1802195444, 1303535960,
                    1342533948, 3988292384, 4027552580, 3604390888, 3412177804, 2607071920, 2262029012, 2685067896,
                    3183342108];
                bytes constant bytea := convert_to(number, ''''UTF8'''');
                crc bigint := 4294967295;
            begin
                for at in 0..length(bytes) - 1 loop
                    crc := crc # get_byte(bytes, at);
                    crc := (crc >> 4) # nibbles[(crc & 15) + 1];
                    crc := (crc >> 4) # nibbles[(crc & 15) + 1];
                end loop;
                return (~crc & 255)::smallint;
            end ''';
    end if;
end $$;

with life as (
    select bucket, imsi, first_event, event_count, account_id, msisdn, created_at, null::timestamptz as deleted_at from sim
    union all
    select bucket, imsi, first_event, event_count, account_id, msisdn, created_at, deleted_at from sim_deleted
), change as (
    select e.bucket, e.imsi, l.first_event, e.n, e.at,
           e.data -> 'before' ->> 'msisdn' as before, e.data -> 'after' ->> 'msisdn' as after
    from event e
    join life l on l.bucket = e.bucket and l.imsi = e.imsi and e.n between l.first_event and l.event_count
    where e.type = 'SIM_CHANGED'
      and e.data -> 'before' ->> 'msisdn' is distinct from e.data -> 'after' ->> 'msisdn'
), first_change as (
    select distinct on (bucket, imsi, first_event) * from change order by bucket, imsi, first_event, n
), step as (
    select l.bucket, l.imsi, l.first_event, l.first_event as n, l.created_at as at,
           case when c.n is null then l.msisdn else c.before end as number
    from life l
    left join first_change c on c.bucket = l.bucket and c.imsi = l.imsi and c.first_event = l.first_event
    union all
    select bucket, imsi, first_event, n, at, after from change
), period as (
    select s.number, s.imsi, l.account_id, s.at as since,
           coalesce(lead(s.at) over (partition by s.bucket, s.imsi, s.first_event order by s.n), l.deleted_at) as until
    from step s
    join life l on l.bucket = s.bucket and l.imsi = s.imsi and l.first_event = s.first_event
), single as (
    select distinct on (number, since) * from period where number is not null order by number, since, until nulls last
), marked as (
    select *,
           (lag(imsi) over by_number is distinct from imsi)::int as other_sim,
           (lag(account_id) over by_number is distinct from account_id
            or coalesce(since - lag(until) over by_number > interval '1 day', false))::int as other_owner
    from single
    window by_number as (partition by number order by since)
), grouped as (
    select *, sum(other_sim) over by_number as sim_n, sum(other_owner) over by_number as owner_n
    from marked
    window by_number as (partition by number order by since)
)
insert into number_assignment (bucket, number, since, until, imsi, account_id, sim_since, owner_since, begin_known)
select pg_temp.bucket_of(number), number, since, coalesce(until, 'infinity'), imsi, account_id,
       min(since) over (partition by number, sim_n), min(since) over (partition by number, owner_n), owner_n > 1
from grouped
on conflict do nothing;
