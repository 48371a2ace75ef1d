"""Objects of the management API that the command line reads as well. Property names are those of `openapi.yaml`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec


class Camel(msgspec.Struct, frozen=True, rename="camel", kw_only=True, omit_defaults=True):
    """Properties in lowerCamelCase; what is not there is left out."""


class EventView(Camel, frozen=True):
    """Event."""

    n: int
    type: str
    at: datetime
    cause: dict[str, Any]
    data: dict[str, Any]
    caused_by: int | None = None


class StandingBar(Camel, frozen=True):
    """StandingBar."""

    cause: str
    since: datetime
    event: int


class ShownFunction(Camel, frozen=True, omit_defaults=False):
    """FunctionState."""

    function: str
    requested: bool
    effective: bool
    bars: list[StandingBar]
    since: datetime | None
    enforcement: str | None


class ApnState(Camel, frozen=True, omit_defaults=False):
    """ApnState."""

    apn: str
    since: datetime
    event: int
    enforcement: str | None


class EnforcedSlot(Camel, frozen=True):
    """EnforcedSlot."""

    gateway: str
    current: bool
    wanted: str
    seen: str
    status: str
    attempts: int
    port: int | None = None
    slot: int | None = None
    target: str | None = None
    last_error: str | None = None
    note: str | None = None
    separates: list[str] = []
    switched_off: list[str] = []
    goes_on: list[str] = []
    device: str | None = None


class ExplanationView(Camel, frozen=True):
    """Explanation."""

    imsi: str
    binding_state: str
    lifecycle: str
    functions: list[ShownFunction]
    closed_apns: list[ApnState]
    places: list[EnforcedSlot]
    chain: list[EventView]
    history: list[EventView]
    states: list[EventView]
    iccid: str | None = None
    phone_number: str | None = None
    reported_iccid: str | None = None
    lifecycle_since: datetime | None = None
    bound_to: list[str] | None = None
    policy: dict[str, str] | None = None
    device: str | None = None
    device_unknown: bool = False
    device_kept_out_by: list[str] = []
    seen_at: datetime | None = None
    area: dict[str, Any] | None = None
    """AreaLimit."""
