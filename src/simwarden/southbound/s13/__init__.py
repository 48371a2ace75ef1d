"""Equipment checks of a 4G core: Diameter S13 (3GPP TS 29.272 6.2)."""
