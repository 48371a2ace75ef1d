"""Rules: what SIMs may not do in a time, built, tried and switched on."""
