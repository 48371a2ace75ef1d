"""What sources of the 5G core's service based interface (3GPP TS 29.500) share. No kind of network element."""
