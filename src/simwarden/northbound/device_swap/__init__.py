"""CAMARA Device Swap 1.0.0: when a phone number and a device last came together."""
