"""Requests and answers of `openapi.yaml`, with the property names of CAMARA."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from simwarden.northbound.kernel.bodies import Wording
from simwarden.northbound.kernel.devices import PhoneNumber
from simwarden.northbound.kernel.errors import InvalidArgument


class DateRequest(msgspec.Struct, frozen=True, rename="camel"):
    """CreateDeviceSwapDate."""

    phone_number: PhoneNumber | UnsetType = UNSET


class CheckRequest(msgspec.Struct, frozen=True, rename="camel"):
    """CreateCheckDeviceSwap."""

    phone_number: PhoneNumber | UnsetType = UNSET
    max_age: Annotated[int, Meta(ge=1, le=2400)] = 240
    """Hours."""


class DateResponse(msgspec.Struct, frozen=True, rename="camel"):
    """DeviceSwapInfo."""

    latest_device_change: datetime | None
    """None: not known. `monitoredPeriod` is never given, as events are kept for good."""


class CheckResponse(msgspec.Struct, frozen=True):
    """CheckDeviceSwapInfo."""

    swapped: bool


WORDING = Wording(
    invalid={
        "phoneNumber": (InvalidArgument, "Invalid format: phoneNumber"),
        "maxAge": (InvalidArgument, "maxAge must be a whole number of hours"),
    },
    limits={"maxAge": "maxAge must be from 1 to 2400"},
)
