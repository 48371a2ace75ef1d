"""CAMARA Number Recycling 0.2.0: whether a phone number has another subscriber than on a date."""
