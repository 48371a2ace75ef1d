"""CAMARA IoT SIM Fraud Prevention Subscriptions 0.1 (and with the strictness of Commonalities 0.8 as `vwip`)."""
