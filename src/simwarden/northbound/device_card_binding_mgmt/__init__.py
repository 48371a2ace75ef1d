"""China Telecom's own contract for binding SIM cards to devices: bind, unbind, query, subscribe."""
