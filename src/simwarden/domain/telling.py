"""What subscribers are told of an event."""

from __future__ import annotations

import re
from typing import Any

from simwarden.domain.events import CauseKind, Event, EventType

_CORRELATOR = re.compile(r"[a-zA-Z0-9\-_:;./<>{}]{1,256}")


def data_of(event: Event) -> dict[str, Any]:
    """The data of the CloudEvent, without the subscription's id and device."""
    if event.type is EventType.DEVICE_CHANGED:
        return {"imei": event.data["imei"]}
    return dict(event.data)


def correlator_of(event: Event) -> str | None:
    """The x-correlator of the call that caused the event, if a call did."""
    reference = event.cause.reference
    if event.cause.kind is CauseKind.CALL and reference and _CORRELATOR.fullmatch(reference):
        return reference
    return None
