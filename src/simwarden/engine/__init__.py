"""Use cases: what is done when something is reported or asked for. Knows no protocol and no framework."""
