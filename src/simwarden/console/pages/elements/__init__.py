"""Network elements: gateways and what they report."""
