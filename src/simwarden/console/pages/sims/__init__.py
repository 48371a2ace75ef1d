"""The list of SIMs."""
