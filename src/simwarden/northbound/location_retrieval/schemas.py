"""Requests and answers of `openapi.yaml`, with the property names of CAMARA."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from simwarden.northbound.kernel.areas import MOST, CircleArea
from simwarden.northbound.kernel.bodies import Wording, device_wording
from simwarden.northbound.kernel.devices import Device
from simwarden.northbound.kernel.errors import InvalidArgument


class RetrieveLocationRequest(msgspec.Struct, frozen=True, rename="camel"):
    """RetrievalLocationRequest; the device is left out with a 3-legged token."""

    device: Device | UnsetType = UNSET
    max_age: Annotated[int, Meta(ge=0, le=MOST)] | UnsetType = UNSET
    """Seconds."""
    max_surface: Annotated[int, Meta(ge=1, le=MOST)] | UnsetType = UNSET
    """Square metres."""


class LocationResponse(msgspec.Struct, frozen=True, rename="camel"):
    """Location."""

    last_location_time: datetime
    area: CircleArea
    device: Device | UnsetType = UNSET


WORDING = Wording(
    invalid={
        **device_wording(),
        "maxAge": (InvalidArgument, "maxAge must be a whole number of seconds, at least 0"),
        "maxSurface": (InvalidArgument, "maxSurface must be a whole number of square metres, at least 1"),
    },
)
