"""Customers' applications and operators' keys."""
