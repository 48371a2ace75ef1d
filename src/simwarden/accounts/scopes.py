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
        "device-communication-function:manage": "Open and close voice, short messages and data of a SIM",
        "device-communication-function:read": "Read how each communication function of a SIM stands",
        "device-communication-function-mgmt:manage": "Open, close, query services of a SIM (China Telecom's contract)",
        "device-card-binding-mgmt:bind": "Bind a SIM to given devices (China Telecom's contract)",
        "device-card-binding-mgmt:unbind": "Remove a binding (China Telecom's contract)",
        "device-card-binding-mgmt:query": "Read how a SIM is bound (China Telecom's contract)",
        "device-card-binding-mgmt:subscribe": "Subscribe to device changes of a SIM (China Telecom's contract)",
        "subscription-status:retrive-subscription-status": "Read which services of a phone number work",
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
