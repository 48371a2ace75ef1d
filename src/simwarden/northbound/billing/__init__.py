"""Billing: what the caller's own account is charged."""
