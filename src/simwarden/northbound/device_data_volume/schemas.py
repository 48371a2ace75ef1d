"""Requests and answers of `openapi.yaml`, with the property names of CAMARA."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from simwarden.northbound.kernel.bodies import Wording, device_wording
from simwarden.northbound.kernel.devices import Device, StrictDevice
from simwarden.northbound.kernel.errors import InvalidArgument


class RetrieveVolumeRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """RetrieveDataVolumeRequest."""

    device: StrictDevice | UnsetType = UNSET


class Volume(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """CheckDataVolumeRequest.volumeToCheck."""

    value: Annotated[int, Meta(ge=0, le=1024)]
    unit: Literal["MiB", "GiB"]

    @property
    def octets(self) -> int:
        """The same in octets."""
        return self.value << (20 if self.unit == "MiB" else 30)


class CheckVolumeRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """CheckDataVolumeRequest."""

    volume_to_check: Volume
    device: StrictDevice | UnsetType = UNSET


class VolumeCategoryResponse(msgspec.Struct, frozen=True, rename="camel"):
    """RetrieveDataVolumeResponse."""

    data_volume_category: str
    device: Device | UnsetType = UNSET


class CheckVolumeResponse(msgspec.Struct, frozen=True, rename="camel"):
    """CheckDataVolumeResponse."""

    threshold_exceeded: bool
    device: Device | UnsetType = UNSET


WORDING = Wording(
    invalid={
        **device_wording(),
        "volumeToCheck.value": (InvalidArgument, "volumeToCheck.value must be a whole number"),
        "volumeToCheck.unit": (InvalidArgument, "The value of volumeToCheck.unit can only be MiB, GiB"),
    },
    limits={"volumeToCheck.value": "volumeToCheck.value must be from 0 to 1024"},
)
