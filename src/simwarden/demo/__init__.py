"""The stolen-SIM story, played against a real server through its public interfaces only."""
