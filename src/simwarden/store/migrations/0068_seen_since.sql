-- When the device that a SIM is in was last said to be a new one, where that is before it was last seen there.
alter table sim add column seen_device_at timestamptz;
