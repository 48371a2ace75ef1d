"""Short messages and calls of SIMs, of accounts and of gateways."""
