"""A list of SIMs, looked at and then registered."""
