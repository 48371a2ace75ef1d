"""What every CAMARA API shares: correlator, errors, token check, device resolution, the ASGI edge."""
