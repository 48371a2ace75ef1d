"""Every scope there is, in one place."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from simwarden.domain.errors import InvalidValue

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

_DEFAULT = (
    "iot-sim-fraud-prevention:bind",
    "iot-sim-fraud-prevention:unbind",
    "iot-sim-fraud-prevention:query",
    "iot-sim-fraud-prevention-subscriptions:subscribe",
    "iot-sim-fraud-prevention-subscriptions:read",
    "iot-sim-fraud-prevention-subscriptions:delete",
    "device-communication-function:read",
    "subscription-status:retrive-subscription-status",
    "listen:receive",
    "iot-device-management:retrieve-status",
)
_CONTROL = (
    *_DEFAULT,
    "device-communication-function:manage",
    "iot-device-management:activate",
    "iot-device-management:suspend",
    "iot-device-management:restore",
    "iot-device-management:deactivate",
    "iot-device-management:retrieve-operation",
)
SETS = MappingProxyType(
    {
        "default": _DEFAULT,
        "read": (
            "iot-sim-fraud-prevention:query",
            "iot-sim-fraud-prevention-subscriptions:read",
            "device-communication-function:read",
            "subscription-status:retrive-subscription-status",
            "iot-device-management:retrieve-status",
            "iot-device-management:retrieve-operation",
        ),
        "control": _CONTROL,
        "provision": (*_CONTROL, "iot-device-management:add", "iot-device-management:delete"),
        "china-telecom": (
            "device-card-binding-mgmt:bind",
            "device-card-binding-mgmt:unbind",
            "device-card-binding-mgmt:query",
            "device-card-binding-mgmt:subscribe",
            "iot-sim-fraud-prevention-subscriptions:read",
            "iot-sim-fraud-prevention-subscriptions:delete",
            "device-communication-function-mgmt:manage",
            "subscription-status:retrive-subscription-status",
        ),
        "all": tuple(KNOWN),
    }
)
"""Sets of scopes by name. An application has `default` unless its creator names others."""
SET_MEANING = MappingProxyType(
    {
        "default": "bind, unbind and query; subscribe to events and receive them; read how a SIM stands",
        "read": "read only",
        "control": "default, and open and close functions, activate, suspend, restore and deactivate SIMs",
        "provision": "control, and register SIMs within the account's number ranges and delete them",
        "china-telecom": "the three contracts of China Telecom",
        "all": "everything there is",
    }
)

OPERATOR = MappingProxyType(
    {
        "manage:read": "Read everything by the management API",
        "manage:write": "Change SIMs and gateways, replay deliveries, begin, confirm and cancel operations",
    }
)
"""The scopes of the operator's own keys. No tenant's application can have them, and an operator's key has no others."""


class UnknownScope(InvalidValue):
    """There is no such scope."""


def of_sets(names: Iterable[str]) -> tuple[str, ...]:
    """The scopes of some sets, each once, in the order of KNOWN. Raises UnknownScope, naming the sets that exist."""
    wanted = tuple(names)
    unknown = sorted(set(wanted) - SETS.keys())
    if unknown:
        raise UnknownScope(f"There is no set of scopes {', '.join(unknown)}; the sets are: {', '.join(SETS)}")
    return checked(scope for name in wanted for scope in SETS[name])


def checked(scopes: Iterable[str], known: Mapping[str, str] = KNOWN) -> tuple[str, ...]:
    """The given scopes, each once, in the order of `known`. Raises UnknownScope, naming those that exist."""
    wanted = set(scopes)
    unknown = sorted(wanted - known.keys())
    if unknown:
        raise UnknownScope(f"There is no scope {', '.join(unknown)}; the scopes are: {', '.join(known)}")
    return tuple(scope for scope in known if scope in wanted)
