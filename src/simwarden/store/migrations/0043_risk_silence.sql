-- Silences of SIMs that a rule has fired for: since when. The next silence begins at another time.
create table risk_silence (
    bucket   smallint not null,
    imsi     text collate "C" not null,
    rule_id  text not null,
    seen_at  timestamptz not null,
    primary key (bucket, imsi, rule_id)
);
