-- The newest change of device, and of phone number, of a SIM in one probe, whatever else happened to it since. Such events
-- are few. The first sight of a SIM is not in the index: it is among its first events, where the primary key leads.
create index event_device_dates on event (bucket, imsi, type, n) where type in ('DEVICE_CHANGED', 'SIM_CHANGED');
