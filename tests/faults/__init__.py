"""Faults injected at random moments into real processes, checked against a model of their own (`make test-faults`)."""
