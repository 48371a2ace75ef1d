"""CAMARA Subscription Status 0.1: which services of a phone number work."""
