"""CAMARA Eligibility Info 0.1.0 (the draft of the API backlog)."""
