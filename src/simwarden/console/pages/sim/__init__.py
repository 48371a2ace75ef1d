"""One SIM: how it stands, why, and what can be done."""
