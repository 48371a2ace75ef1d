"""IoT Device Management `vwip`: the life of SIMs. CAMARA has no document for it; this one is Simwarden's own draft."""
