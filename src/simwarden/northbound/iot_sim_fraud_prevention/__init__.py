"""CAMARA IoT SIM Fraud Prevention 0.1 (and the same with the strictness of Commonalities 0.8 as `vwip`)."""
