"""Requests and answers of `openapi.yaml`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from simwarden.northbound.kernel.bodies import Wording
from simwarden.northbound.kernel.devices import Nai, PhoneNumber, StrictDevice
from simwarden.northbound.kernel.errors import InvalidArgument

MAX_DEVICES = 10_000
MAX_BODY = 4 * 1024 * 1024
"""Bytes: 10,000 devices with every name they can have."""
Iccid = Annotated[str, Meta(pattern=r"^89[0-9]{16,20}\Z")]
Imsi = Annotated[str, Meta(pattern=r"^[0-9]{6,15}\Z")]
Imei = Annotated[str, Meta(pattern=r"^[0-9]{14,16}\Z")]


class IotDevice(StrictDevice, frozen=True, forbid_unknown_fields=True):
    """Device, or one of the names that are printed on a card and written into it."""

    iccid: Iccid | UnsetType = UNSET
    imsi: Imsi | UnsetType = UNSET


class NewDevice(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """NewDevice: a SIM to be registered."""

    imsi: Imsi
    iccid: Iccid | UnsetType = UNSET
    phone_number: PhoneNumber | UnsetType = UNSET
    network_access_identifier: Nai | UnsetType = UNSET
    state: Literal["PRE_ACTIVE", "ACTIVE"] = "PRE_ACTIVE"
    imei: Imei | UnsetType = UNSET


class AddRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """AddDevicesRequest."""

    devices: Annotated[tuple[NewDevice, ...], Meta(min_length=1, max_length=MAX_DEVICES)]


class DevicesRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """DevicesRequest."""

    devices: Annotated[tuple[IotDevice, ...], Meta(min_length=1, max_length=MAX_DEVICES)] | UnsetType = UNSET


class LifecycleRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """RetrieveStatusRequest."""

    device: IotDevice | UnsetType = UNSET


class Progress(msgspec.Struct, frozen=True):
    """Progress."""

    devices: int
    succeeded: int
    failed: int
    pending: int


class Result(msgspec.Struct, frozen=True, rename="camel"):
    """DeviceResult."""

    status: Literal["SUCCEEDED", "FAILED"]
    device: Any = UNSET
    """As the request named it; left out when the token named it."""
    error: Any = UNSET
    """ErrorInfo of what a request for this device alone would have been answered."""


class OperationResponse(msgspec.Struct, frozen=True, rename="camel"):
    """Operation."""

    operation_id: str
    operation: str
    status: Literal["ACCEPTED", "COMPLETED", "CANCELLED"]
    created_at: datetime
    progress: Progress
    completed_at: datetime | UnsetType = UNSET
    results: list[Result] | UnsetType = UNSET
    """Once it is COMPLETED or CANCELLED."""


class StateChange(msgspec.Struct, frozen=True):
    """StateChange."""

    state: str
    since: datetime


class LifecycleResponse(msgspec.Struct, frozen=True):
    """RetrieveStatusResponse."""

    state: str
    since: datetime
    history: list[StateChange]
    """The newest first."""


_COUNT = (InvalidArgument, f"devices must have 1 to {MAX_DEVICES} items")
WORDING = Wording(
    missing={"devices": "devices must be specified", "devices.imsi": "imsi must be specified for every device"},
    invalid={
        "devices": _COUNT,
        "devices.phoneNumber": (InvalidArgument, "Invalid format: phoneNumber"),
        "devices.networkAccessIdentifier": (InvalidArgument, "Invalid format: networkAccessIdentifier"),
        "devices.ipv4Address": (InvalidArgument, "Invalid format: ipv4Address"),
        "devices.ipv6Address": (InvalidArgument, "Invalid format: ipv6Address"),
        "devices.iccid": (InvalidArgument, "Invalid format: iccid"),
        "devices.imsi": (InvalidArgument, "Invalid format: imsi"),
        "devices.imei": (InvalidArgument, "Invalid format: imei"),
        "devices.state": (InvalidArgument, "The value of state can only be PRE_ACTIVE,ACTIVE"),
        "device.phoneNumber": (InvalidArgument, "Invalid format: phoneNumber"),
        "device.networkAccessIdentifier": (InvalidArgument, "Invalid format: networkAccessIdentifier"),
        "device.iccid": (InvalidArgument, "Invalid format: iccid"),
        "device.imsi": (InvalidArgument, "Invalid format: imsi"),
    },
)
