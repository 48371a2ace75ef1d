"""Requests and answers of `openapi.yaml`, with the property names of CAMARA."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from simwarden.northbound.kernel.areas import MOST, CircleArea, area_wording
from simwarden.northbound.kernel.bodies import Wording, device_wording
from simwarden.northbound.kernel.devices import Device
from simwarden.northbound.kernel.errors import InvalidArgument


class VerifyLocationRequest(msgspec.Struct, frozen=True, rename="camel"):
    """VerifyLocationRequest; the device is left out with a 3-legged token."""

    area: CircleArea
    device: Device | UnsetType = UNSET
    max_age: Annotated[int, Meta(ge=0, le=MOST)] | UnsetType = UNSET
    """Seconds."""


class VerifyLocationResponse(msgspec.Struct, frozen=True, rename="camel"):
    """VerifyLocationResponse."""

    verification_result: Literal["TRUE", "FALSE", "PARTIAL"]
    last_location_time: datetime
    match_rate: int | UnsetType = UNSET
    """Percent, 1 to 99; of PARTIAL alone."""
    device: Device | UnsetType = UNSET


WORDING = Wording(
    invalid={
        **area_wording(),
        **device_wording(),
        "maxAge": (InvalidArgument, "maxAge must be a whole number of seconds"),
    },
    limits={"maxAge": f"maxAge must be from 0 to {MOST}"},
)
