"""Requests and answers of `openapi.yaml`, with China Telecom's property names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from simwarden.domain.identifiers import full_imei
from simwarden.domain.sim import BindingKind
from simwarden.domain.sink import InvalidSink
from simwarden.northbound.kernel import sinks
from simwarden.northbound.kernel.area_limits import GivenArea, shown_area
from simwarden.northbound.kernel.bodies import Problem, Wording, device_wording
from simwarden.northbound.kernel.devices import StrictDevice
from simwarden.northbound.kernel.errors import InvalidArgument
from simwarden.northbound.kernel.sinks import StrictSinkCredential

if TYPE_CHECKING:
    from simwarden.domain.sim import Sim

What = Literal["AREALIMIT", "IMEIBIND"]
Code = Literal["SUCCESS", "NO_CHANGE"]
Imei = Annotated[str, Meta(max_length=24)]


class BindInfo(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """BindInfo: with IMEIBIND which device or devices, one of three; with AREALIMIT which area, one of two."""

    imei: Imei | UnsetType = UNSET
    tac: Annotated[str, Meta(max_length=12)] | UnsetType = UNSET
    imei_list: Annotated[list[Imei], Meta(min_length=1, max_length=1000)] | UnsetType = UNSET
    area: GivenArea | UnsetType = UNSET
    area_name: Annotated[str, Meta(min_length=1, max_length=63)] | UnsetType = UNSET


class CardBindRequest(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """BindRequest."""

    bind_type: What
    device: StrictDevice | UnsetType = UNSET
    bind_info: BindInfo | UnsetType = UNSET


class CardUnbindRequest(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """UnbindRequest and QueryRequest."""

    bind_type: What
    device: StrictDevice | UnsetType = UNSET


class CardSubscribeRequest(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """SubscribeRequest."""

    sink: str
    device: StrictDevice | UnsetType = UNSET
    sink_credential: StrictSinkCredential | UnsetType = UNSET


class BindingStatus(msgspec.Struct, frozen=True, rename="camel"):
    """BindingStatus."""

    bind_type: What
    bind_status: Literal["BOUND", "UNBOUND"]
    state: str
    """Of a binding NEUTRAL, ARMED, LOCKED or DIFFERED; of an area limit NEUTRAL, ARMED, INSIDE, OUTSIDE or UNKNOWN."""
    bind_info: BindInfo | UnsetType = UNSET
    """Absent while the binding waits for the first device, or the limit for the first place."""


class BindingResponse(msgspec.Struct, frozen=True):
    """BindingResponse."""

    code: Code
    message: str
    result: BindingStatus


class SubscriptionId(msgspec.Struct, frozen=True):
    """SubscriptionId."""

    id: str


class SubscribeResponse(msgspec.Struct, frozen=True):
    """SubscribeResponse."""

    code: Code
    message: str
    result: SubscriptionId


def status_of(sim: Sim) -> BindingStatus:
    """How a SIM is bound."""
    if sim.binding is None:
        return BindingStatus("IMEIBIND", "UNBOUND", str(sim.state))
    return BindingStatus("IMEIBIND", "BOUND", str(sim.state), _info(sim.binding.kind, sim.binding.values))


def limit_of(sim: Sim) -> BindingStatus:
    """To which area a SIM is limited."""
    limit = sim.area
    if limit is None:
        return BindingStatus("AREALIMIT", "UNBOUND", "NEUTRAL")
    info: BindInfo | UnsetType = UNSET
    if limit.name is not None:
        info = BindInfo(area_name=limit.name)
    elif limit.area is not None and (shown := shown_area(limit.area)) is not UNSET:
        info = BindInfo(area=shown)
    return BindingStatus("AREALIMIT", "BOUND", limit.state, info)


def _info(kind: BindingKind, values: tuple[str, ...]) -> BindInfo | UnsetType:
    if not values:
        return UNSET
    if kind is BindingKind.TAC:
        return BindInfo(tac=values[0])
    if kind is BindingKind.LIST:
        return BindInfo(imei_list=[full_imei(value) for value in values])
    return BindInfo(imei=full_imei(values[0]))


_invalid: dict[str, Problem] = {
    "bindType": (InvalidArgument, "The value of bindType can only be IMEIBIND,AREALIMIT"),
    "bindInfo.imei": (InvalidArgument, "Invalid format: bindInfo.imei"),
    "bindInfo.tac": (InvalidArgument, "Invalid format: bindInfo.tac"),
    "bindInfo.imeiList": (InvalidArgument, "Invalid format: bindInfo.imeiList"),
    "bindInfo.areaName": (InvalidArgument, "Invalid format: bindInfo.areaName"),
    **{
        f"bindInfo.area{name}": (InvalidArgument, f"Invalid value: bindInfo.area{name}")
        for name in ("", ".areaType", ".center", ".center.latitude", ".center.longitude", ".radius", ".boundary")
    },
    **{path: problem for path, problem in sinks.INVALID.items() if path.startswith("sink")},
    **device_wording(),
}
WORDING = Wording(missing={"bindType": "bindType must be specified", "sink": InvalidSink.text}, invalid=_invalid)
