-- The network that serves a session's device (MCC and MNC), and the software version of the device (of an IMEISV).
alter table session add column plmn text collate "C", add column svn text collate "C";
