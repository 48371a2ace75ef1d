"""Requests and answers of `openapi.yaml`, with the property names of CAMARA."""

from __future__ import annotations

from datetime import datetime

import msgspec
from msgspec import UNSET, UnsetType

from simwarden.northbound.kernel.bodies import Wording, device_wording
from simwarden.northbound.kernel.devices import Device, StrictDevice


class RoamingRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """RoamingStatusRequest."""

    device: StrictDevice | UnsetType = UNSET


class RoamingResponse(msgspec.Struct, frozen=True, rename="camel"):
    """RoamingStatusResponse."""

    last_status_time: datetime
    roaming: bool
    country_code: int | UnsetType = UNSET
    """Mobile country code (MCC), while the device roams."""
    country_name: tuple[str, ...] | UnsetType = UNSET
    """ISO 3166-1 alpha-2 codes."""
    device: Device | UnsetType = UNSET


WORDING = Wording(invalid=device_wording())
