"""CAMARA Device Reachability Status Subscriptions 0.8.0: told when a device can be reached, and when not any more."""
