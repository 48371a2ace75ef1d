-- What those who subscribed to changes of reachability or roaming know of a SIM. Of SIMs without such a subscription
-- there is no row, so that their reports cost nothing more.
create table sim_standing (
    bucket   smallint not null,
    imsi     text collate "C" not null,
    reach    text,          -- null: nothing has told
    plmn     text,          -- null: nothing has told
    roaming  boolean,
    primary key (bucket, imsi)
);
