"""What subscribers are told of an event."""

from __future__ import annotations

import re
from typing import Any

from simwarden.domain.events import Cause, CauseKind, Event, EventType

_CORRELATOR = re.compile(r"[a-zA-Z0-9\-_:;./<>{}]{1,256}")

_OF_SOME = frozenset({EventType.GEOFENCE_ENTERED, EventType.GEOFENCE_LEFT})
"""Events that say for which subscriptions they are, of those that wait for their type."""


def concerns(event: Event, subscription_id: str) -> bool:
    """Whether a subscription that waits for events of this type is to be sent this one."""
    return event.type not in _OF_SOME or subscription_id in event.data["subscriptions"]


def data_of(event: Event) -> dict[str, Any]:
    """The data of the CloudEvent, without the subscription's id and device."""
    if event.type is EventType.DEVICE_CHANGED:
        return {"imei": event.data["imei"]}
    if event.type is EventType.AREA_CHANGED:
        return {"area": event.data["circle"]}
    if event.type in _OF_SOME:
        return {}
    return dict(event.data)


def correlator_of(event: Event) -> str | None:
    """The x-correlator of the call that caused the event, if a call did."""
    return correlator_of_cause(event.cause)


def correlator_of_cause(cause: Cause) -> str | None:
    """The x-correlator of a call; None for every other cause."""
    if cause.kind is CauseKind.CALL and cause.reference and _CORRELATOR.fullmatch(cause.reference):
        return cause.reference
    return None


_BY_NUMBER = ("org.camaraproject.sim-swap-subscriptions.",)
"""Beginnings of the event types whose data names the SIM by `phoneNumber`; that of all others has a `device`."""


def naming(kind: str, device: dict[str, Any] | None) -> dict[str, Any]:
    """The properties that name the SIM in the data of a CloudEvent of this type."""
    if device is None:
        return {}
    return dict(device) if kind.startswith(_BY_NUMBER) else {"device": device}
