-- Static addresses are names that stand in no column of the SIM: found by the SIM when it is deleted.
create index sim_identifier_address on sim_identifier (bucket, imsi) where kind in ('ipv4', 'ipv6');
