"""CAMARA Connected Network Type Subscriptions 0.2.0: told when a device comes to another type of mobile network."""
