"""Checks a CloudEvent as CAMARA's consumer side does (the callback feature file and `CallbackBadRequest400`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

#: The attributes in the order they are checked; the messages are the ones the CAMARA contract prints.
REQUIRED = (("id", "Id"), ("type", "Type"), ("time", "Time"), ("data", "Data"), ("source", "Source"))
_PREFIX = "org.camaraproject.iot-sim-fraud-prevention.v0."
TYPES = frozenset(
    _PREFIX + name
    for name in ("imei-change", "area-change", "subscription-started", "subscription-updated", "subscription-ended")
)
"""The event types of IoT SIM Fraud Prevention Subscriptions 0.1.0 (CAMARA r1.2)."""
_OTHERS = re.compile(r"org\.(?:camaraproject|simwarden)\.[a-z0-9]+(?:-[a-z0-9]+)*\.v[0-9]+\.[a-z]+(?:-[a-z]+)*")
"""The form that CAMARA's Event Guide gives the types of every API, ours among them."""
TEST = "org.simwarden.v1.subscription-test"
"""What an operator sends to try a sink (`simwarden subscription test`)."""


def problem(event: object) -> str | None:
    """What is wrong with this CloudEvent, None when it is fine."""
    if not isinstance(event, Mapping):
        return "The body must be one CloudEvent in structured JSON form"
    for key, title in REQUIRED:
        if event.get(key) in (None, ""):
            return f"{title} must be specified"
    if event.get("specversion") != "1.0":
        return "The value of specversion can only be 1.0"
    return _wrong_form(event)


def _wrong_form(event: Mapping[str, Any]) -> str | None:
    for key, longest in (("id", 256), ("type", 512), ("source", 2048)):
        if not isinstance(event[key], str) or len(event[key]) > longest:
            return f"Invalid format: {key}"
    if not _is_type(event["type"]):
        return f"The value of type can only be one of {', '.join(sorted(TYPES))}, or that of another CAMARA API"
    if event.get("datacontenttype", "application/json") != "application/json":
        return "The value of datacontenttype can only be application/json"
    if not isinstance(event["data"], Mapping):
        return "Invalid format: data"
    if not isinstance(event["time"], str) or not _is_rfc3339(event["time"]):
        return "Invalid format: time"
    return None


def _is_type(name: str) -> bool:
    if name.startswith(_PREFIX) or name == TEST:
        return name in TYPES or name == TEST
    return _OTHERS.fullmatch(name) is not None


def _is_rfc3339(text: str) -> bool:
    """A date-time with its zone (RFC 3339, 5.6)."""
    try:
        moment = datetime.fromisoformat(text.upper())
    except ValueError:
        return False
    return moment.tzinfo is not None and len(text) > 10 and text[10] in "Tt"
