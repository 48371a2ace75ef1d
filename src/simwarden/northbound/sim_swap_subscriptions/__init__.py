"""CAMARA SIM Swap Subscriptions 0.3.0: events when a phone number comes to another SIM."""
