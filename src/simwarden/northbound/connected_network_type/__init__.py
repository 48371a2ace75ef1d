"""CAMARA Connected Network Type 0.2.0: by which generation of mobile network a device is connected."""
