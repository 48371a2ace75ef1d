"""Requests and answers of `openapi.yaml`, with the property names of CAMARA."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from simwarden.northbound.kernel.bodies import Wording, device_wording
from simwarden.northbound.kernel.devices import Device, StrictDevice
from simwarden.northbound.kernel.errors import InvalidArgument

DIGITS = {"IMEI": 15, "IMEISV": 16, "TAC": 8}
"""How many each kind of identifier has."""


class IdentifierRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """RequestBody."""

    device: StrictDevice | UnsetType = UNSET


class MatchRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """MatchRequestBody."""

    device: StrictDevice | UnsetType = UNSET
    provided_identifier_type: Literal["IMEI", "IMEISV", "TAC"]
    provided_identifier: Annotated[str, Meta(pattern=r"^[0-9]{8,16}\Z")]


class Checked(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """CommonResponseBody."""

    last_checked: datetime
    device: Device | UnsetType = UNSET


class TypeResponse(Checked, frozen=True, kw_only=True):
    """200RetrieveType."""

    tac: str
    model: str | UnsetType = UNSET
    manufacturer: str | UnsetType = UNSET


class IdentifierResponse(TypeResponse, frozen=True, kw_only=True):
    """200RetrieveIdentifier."""

    imei: str
    """15 digits."""
    imeisv: str | UnsetType = UNSET
    """16 digits."""


class PpidResponse(Checked, frozen=True, kw_only=True):
    """200RetrievePPID."""

    ppid: str


class MatchResponse(Checked, frozen=True, kw_only=True):
    """200MatchIdentifier."""

    match: bool


WORDING = Wording(
    missing={
        "providedIdentifierType": "providedIdentifierType must be specified",
        "providedIdentifier": "providedIdentifier must be specified",
    },
    invalid={
        **device_wording(),
        "providedIdentifierType": (InvalidArgument, "The value of providedIdentifierType can only be IMEI,IMEISV,TAC"),
        "providedIdentifier": (InvalidArgument, "Invalid format: providedIdentifier"),
    },
)
