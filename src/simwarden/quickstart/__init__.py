"""The first ten minutes: a sample customer with virtual SIMs and gateways on a server that runs."""
