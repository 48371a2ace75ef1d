"""CAMARA Device Data Volume 0.1.0: what is left of a device's data allowance."""
