"""Every scope there is, in one place."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from simwarden.domain.errors import SimwardenError

if TYPE_CHECKING:
    from collections.abc import Iterable

KNOWN = MappingProxyType(
    {
        "iot-sim-fraud-prevention:bind": "Bind a SIM to a device",
        "iot-sim-fraud-prevention:unbind": "Remove a binding",
        "iot-sim-fraud-prevention:query": "Read how a SIM is bound",
        "iot-sim-fraud-prevention-subscriptions:subscribe": "Subscribe to events of a SIM",
        "iot-sim-fraud-prevention-subscriptions:read": "Read one's own subscriptions",
        "iot-sim-fraud-prevention-subscriptions:delete": "Delete one's own subscriptions",
        "listen:receive": "Receive events through an inbox of the server",
    }
)
"""Scope to what it allows."""


class UnknownScope(SimwardenError, ValueError):
    """There is no such scope."""


def checked(scopes: Iterable[str]) -> tuple[str, ...]:
    """The given scopes, each once, in the order of `KNOWN`. Raises UnknownScope, naming those that exist."""
    wanted = set(scopes)
    unknown = sorted(wanted - KNOWN.keys())
    if unknown:
        raise UnknownScope(f"There is no scope {', '.join(unknown)}; the scopes are: {', '.join(KNOWN)}")
    return tuple(scope for scope in KNOWN if scope in wanted)
