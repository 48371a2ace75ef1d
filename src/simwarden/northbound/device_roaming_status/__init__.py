"""CAMARA Device Roaming Status 1.1.0: whether a device roams now, and in which country."""
