-- Pages show what a SIM sent, the newest first.
create index outgoing_message_sim on outgoing_message (bucket, imsi, queued_at);
