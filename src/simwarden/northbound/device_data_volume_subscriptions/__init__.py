"""CAMARA Device Data Volume Subscriptions 0.1.0: told when a device used a part of its data allowance."""
