"""Short message centres, by SMPP 3.4: we bind to them as an external short message entity (ESME)."""
