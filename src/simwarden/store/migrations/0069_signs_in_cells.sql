-- Signs of fraud of SIMs that are in no gateway: in a cell of the mobile network whose position is known.
alter table fraud_sign
    alter column gateway_id drop not null,
    add column cell text collate "C";              -- where the SIM was, if in no gateway
