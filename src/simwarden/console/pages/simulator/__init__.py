"""The simulator beside a server that is tried out: steal a SIM, take a gateway down, infect a device, watch."""
