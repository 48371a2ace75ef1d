"""What an operator may be."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType


class Role(StrEnum):
    """Of an operator's key, or of a person."""

    VIEWER = "viewer"
    """Reads everything but texts and numbers of messages and calls."""
    OPERATOR = "operator"
    """Reads everything; acts on SIMs, gateways, deliveries, rules and alarms."""
    ADMIN = "admin"
    """Everything: accounts, applications, gateways' access, operators."""
    BILLING = "billing"
    """Reads accounts, applications and usage; prices and invoices are its own."""


CONTAINS = MappingProxyType(
    {
        Role.VIEWER: frozenset({Role.VIEWER}),
        Role.OPERATOR: frozenset({Role.VIEWER, Role.OPERATOR}),
        Role.ADMIN: frozenset(Role),
        Role.BILLING: frozenset({Role.BILLING}),
    }
)
"""Role to those whose operations it may call."""
