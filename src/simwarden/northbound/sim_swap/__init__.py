"""CAMARA SIM Swap 2.1.0: when a phone number came to the SIM that has it."""
