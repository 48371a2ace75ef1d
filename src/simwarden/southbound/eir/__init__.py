"""The 5G-EIR: network functions ask whether a device may be used (3GPP TS 29.511)."""
