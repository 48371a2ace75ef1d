"""CAMARA Device Roaming Status Subscriptions 0.8.0: told when a device begins or ends to roam, and changes country."""
