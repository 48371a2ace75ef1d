"""CAMARA Device Location Retrieval 0.5.0: the circle in which a device is."""
