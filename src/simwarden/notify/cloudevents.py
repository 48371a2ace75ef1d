"""Deliveries as CloudEvents 1.0, structured mode: the same bytes for every attempt."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

import msgspec

from simwarden.domain.subscription_ids import told

if TYPE_CHECKING:
    from datetime import datetime

CONTENT_TYPE = "application/cloudevents+json"
_encoder = msgspec.json.Encoder()


def render(
    *,
    event_id: str,
    source: str,
    type: str,  # noqa: A002 - the attribute's name
    time: datetime,
    subscription_id: str,
    data: dict[str, Any],
) -> bytes:
    """One CloudEvent as JSON (CloudEvents JSON format 3.1); `data` is given without the subscription's id."""
    return _encoder.encode(
        {
            "id": event_id,
            "source": source,
            "specversion": "1.0",
            "type": type,
            "time": timestamp(time),
            "datacontenttype": "application/json",
            "data": {"subscriptionId": told(type, subscription_id), **data},
        }
    )


def timestamp(time: datetime) -> str:
    """RFC 3339, UTC with Z, milliseconds."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
