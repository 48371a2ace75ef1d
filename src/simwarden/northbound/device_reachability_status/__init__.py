"""CAMARA Device Reachability Status 1.1.0: whether a device can be reached now, and by what."""
