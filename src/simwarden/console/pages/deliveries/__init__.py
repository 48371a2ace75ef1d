"""Subscriptions, how their events fare, and what was sent and answered."""
