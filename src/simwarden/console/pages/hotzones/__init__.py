"""Hotzones: places where fraud is found, and the named lists of accounts."""
