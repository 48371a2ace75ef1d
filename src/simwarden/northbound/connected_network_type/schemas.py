"""Requests and answers of `openapi.yaml`, with the property names of CAMARA."""

from __future__ import annotations

from datetime import datetime

import msgspec
from msgspec import UNSET, UnsetType

from simwarden.northbound.kernel.bodies import Wording, device_wording
from simwarden.northbound.kernel.devices import Device, StrictDevice


class NetworkTypeRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """ConnectedNetworkTypeRequest."""

    device: StrictDevice | UnsetType = UNSET


class NetworkTypeResponse(msgspec.Struct, frozen=True, rename="camel"):
    """ConnectedNetworkTypeResponse."""

    last_status_time: datetime
    connected_network_type: str
    device: Device | UnsetType = UNSET


WORDING = Wording(invalid=device_wording())
