"""Requests and answers of `openapi.yaml`, with the property names of CAMARA."""

from __future__ import annotations

from datetime import datetime

import msgspec
from msgspec import UNSET, UnsetType

from simwarden.northbound.kernel.bodies import Wording, device_wording
from simwarden.northbound.kernel.devices import Device, StrictDevice


class ReachabilityRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """RequestReachabilityStatus."""

    device: StrictDevice | UnsetType = UNSET


class ReachabilityResponse(msgspec.Struct, frozen=True, rename="camel"):
    """ReachabilityStatusResponse."""

    last_status_time: datetime
    reachable: bool
    connectivity: list[str] | UnsetType = UNSET
    device: Device | UnsetType = UNSET


WORDING = Wording(invalid=device_wording())
