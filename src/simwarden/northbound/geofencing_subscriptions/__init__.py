"""CAMARA Device Geofencing Subscriptions 0.5.0: a SIM enters or leaves a circle."""
