"""CAMARA Device Location Verification 3.0.0: whether a device is within a circle."""
