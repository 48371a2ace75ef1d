"""osmo-hlr: the home location register of Osmocom networks."""
