"""Fraud Hotzone, a contract of Simwarden's own: whether traffic with some countries was out of the ordinary."""
