"""Requests and answers of `openapi.yaml`, with the property names of CAMARA."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from simwarden.northbound.kernel.bodies import Wording
from simwarden.northbound.kernel.errors import InvalidArgument


class CheckImei(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """RequestBody."""

    imei: Annotated[str, Meta(pattern=r"^[0-9]{15}\Z")]


class ImeiStatus(msgspec.Struct, frozen=True, rename="camel"):
    """ImeiStatus."""

    imei: str
    operational_status: str
    last_checked: datetime
    reported_date: datetime | UnsetType = UNSET
    """Since when the device is stolen or blocked, where that is recorded."""


WORDING = Wording(invalid={"imei": (InvalidArgument, "Invalid IMEI format. IMEI must be 15 digits.")})
