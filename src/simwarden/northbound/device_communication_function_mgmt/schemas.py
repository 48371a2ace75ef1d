"""Requests and answers of `openapi.yaml`, with China Telecom's property names."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from simwarden.domain.sim import Function
from simwarden.northbound.kernel.bodies import Problem, Wording, device_wording
from simwarden.northbound.kernel.devices import StrictDevice
from simwarden.northbound.kernel.errors import InvalidArgument

if TYPE_CHECKING:
    from simwarden.domain.sim import Sim

Status = Literal["open", "close"]
Code = Literal["SUCCESS", "NO_CHANGE"]


class ManageRequest(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """ManageRequest."""

    busi_type: Literal["data", "voice", "sms", "apn"]
    action: Literal["open", "close", "query"]
    device: StrictDevice | UnsetType = UNSET
    busi_param: Annotated[str, Meta(max_length=100)] | UnsetType = UNSET
    """Access point name, for busiType apn."""


class Service(msgspec.Struct, frozen=True):
    """Service."""

    status: Status
    """As the customer wants it."""
    effective: bool
    """Whether it may work."""
    bars: list[str]
    """Causes that keep it off."""


class Apn(msgspec.Struct, frozen=True):
    """Apn."""

    name: str
    status: Status
    since: datetime | UnsetType = UNSET


class ServiceStatus(msgspec.Struct, frozen=True, rename="camel"):
    """ServiceStatus."""

    card_status: str
    data: Service
    voice: Service
    sms: Service
    apn: list[Apn]
    """The closed ones, and the one that was asked about."""


class ManageResponse(msgspec.Struct, frozen=True):
    """ManageResponse."""

    code: Code
    message: str
    result: ServiceStatus


def status_of(sim: Sim, apn: str | None = None) -> ServiceStatus:
    """How every service of a SIM stands. `apn`: one that is to be named also when it is open."""
    apns = [Apn(closed.apn, "close", closed.since) for closed in sim.closed_apns]
    if apn is not None and all(each.name != apn for each in apns):
        apns.append(Apn(apn, "open"))
    off = int(sim.closed), int(sim.functions_off)
    return ServiceStatus(
        card_status=str(sim.lifecycle),
        data=_service(sim, *off, int(Function.DATA)),
        voice=_service(sim, *off, int(Function.VOICE)),
        sms=_service(sim, *off, int(Function.SMS)),
        apn=apns,
    )


def _service(sim: Sim, closed: int, functions_off: int, function: int) -> Service:
    return Service(
        "close" if function & closed else "open",
        not function & functions_off,
        [str(bar.cause) for bar in sim.bars if bar.functions & function],
    )


_invalid: dict[str, Problem] = {
    "busiType": (InvalidArgument, "The value of busiType can only be data,voice,sms,apn"),
    "action": (InvalidArgument, "The value of action can only be open,close,query"),
    "busiParam": (InvalidArgument, "Invalid format: busiParam"),
    **device_wording(),
}
WORDING = Wording(
    missing={"busiType": "busiType must be specified", "action": "action must be specified"}, invalid=_invalid
)
