"""CAMARA KYC Tenure 0.2.0: whether a phone number has had its subscriber since a date."""
