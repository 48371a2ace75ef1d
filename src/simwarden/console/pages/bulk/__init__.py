"""Work on many SIMs: chosen, looked at, confirmed, followed."""
