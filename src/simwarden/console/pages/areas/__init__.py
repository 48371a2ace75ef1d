"""Areas: where SIMs may be, on a map that needs no network."""
