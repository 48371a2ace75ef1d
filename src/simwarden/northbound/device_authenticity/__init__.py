"""CAMARA Device Authenticity (main): what the operator's lists say of a device."""
