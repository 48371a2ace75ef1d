"""Fraud Hotzone Subscriptions, a contract of our own: traffic with hotzones is out of the ordinary."""
