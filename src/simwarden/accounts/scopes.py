"""Every scope there is, in one place."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from simwarden.domain.errors import SimwardenError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

KNOWN = MappingProxyType(
    {
        "iot-sim-fraud-prevention:bind": "Bind a SIM to a device",
        "iot-sim-fraud-prevention:unbind": "Remove a binding",
        "iot-sim-fraud-prevention:query": "Read how a SIM is bound",
        "iot-sim-fraud-prevention-subscriptions:subscribe": "Subscribe to events of a SIM",
        "iot-sim-fraud-prevention-subscriptions:org.camaraproject.iot-sim-fraud-prevention.v0.imei-change:create": (
            "Subscribe to changes of a SIM's device (the form of Commonalities 0.8)"
        ),
        "iot-sim-fraud-prevention-subscriptions:org.camaraproject.iot-sim-fraud-prevention.v0.area-change:create": (
            "Subscribe to a SIM's leaving and entering its area (the form of Commonalities 0.8)"
        ),
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
        "iot-device-management:add": "Register SIMs",
        "iot-device-management:activate": "Activate SIMs",
        "iot-device-management:suspend": "Suspend SIMs",
        "iot-device-management:restore": "Restore suspended SIMs",
        "iot-device-management:deactivate": "Deactivate SIMs",
        "iot-device-management:delete": "Delete deactivated SIMs",
        "iot-device-management:retrieve-status": "Read the state of a SIM and the states before",
        "iot-device-management:retrieve-operation": "Read how far one's own operations have come",
    }
)
"""Scope to what it allows."""

OPERATOR = MappingProxyType(
    {
        "manage:read": "Read everything by the management API",
        "manage:write": "Change SIMs and gateways, replay deliveries, begin, confirm and cancel operations",
    }
)
"""The scopes of the operator's own keys. No tenant's application can have them, and an operator's key has no others."""


class UnknownScope(SimwardenError, ValueError):
    """There is no such scope."""


def checked(scopes: Iterable[str], known: Mapping[str, str] = KNOWN) -> tuple[str, ...]:
    """The given scopes, each once, in the order of `known`. Raises UnknownScope, naming those that exist."""
    wanted = set(scopes)
    unknown = sorted(wanted - known.keys())
    if unknown:
        raise UnknownScope(f"There is no scope {', '.join(unknown)}; the scopes are: {', '.join(known)}")
    return tuple(scope for scope in known if scope in wanted)
