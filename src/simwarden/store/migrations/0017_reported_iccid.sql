-- The ICCID that a gateway reports for a SIM, where it is another one than the register has; null: none, or the same.

alter table sim add column reported_iccid text collate "C";
