"""Requests and answers of `openapi.yaml`, with the property names of CAMARA."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from simwarden.domain.identifiers import full_imei
from simwarden.domain.sim import BindingKind, Sim
from simwarden.northbound.kernel.area_limits import ShownCircle, shown_circle
from simwarden.northbound.kernel.bodies import Problem, Wording, device_wording
from simwarden.northbound.kernel.devices import Device, StrictDevice
from simwarden.northbound.kernel.errors import InvalidArgument

What = Literal["AREALIMIT", "IMEIBIND"]
"""BindType, UnbindType and QueryType alike."""


class BindRequest(msgspec.Struct, frozen=True, rename="camel"):
    """BindDeviceImeiRequest."""

    bind_type: What
    device: Device | UnsetType = UNSET


class UnbindRequest(msgspec.Struct, frozen=True, rename="camel"):
    """UnBindDeviceImeiRequest."""

    un_bind_type: What
    device: Device | UnsetType = UNSET


class QueryRequest(msgspec.Struct, frozen=True, rename="camel"):
    """QueryRequest."""

    query_type: What
    device: Device | UnsetType = UNSET


class StrictBindRequest(BindRequest, frozen=True, forbid_unknown_fields=True):
    """BindDeviceImeiRequest without unknown properties."""

    device: StrictDevice | UnsetType = UNSET


class StrictUnbindRequest(UnbindRequest, frozen=True, forbid_unknown_fields=True):
    """UnBindDeviceImeiRequest without unknown properties."""

    device: StrictDevice | UnsetType = UNSET


class StrictQueryRequest(QueryRequest, frozen=True, forbid_unknown_fields=True):
    """QueryRequest without unknown properties."""

    device: StrictDevice | UnsetType = UNSET


class BindResponse(msgspec.Struct, frozen=True):
    """BindDeviceImeiResponse."""

    bound: bool


class UnbindResponse(msgspec.Struct, frozen=True):
    """UnBindDeviceImeiResponse."""

    unbound: bool


class ImeiBind(msgspec.Struct, frozen=True, rename="camel"):
    """ImeiBind."""

    bind_status: Literal["BOUND", "UNBOUND"]
    bind_imei: str | UnsetType = UNSET
    """15 digits. Absent while the binding waits for the first device, and where it allows more than one device."""


class ShownLimit(msgspec.Struct, frozen=True, rename="camel"):
    """AreaLimit."""

    area_limit_status: Literal["RESTRICTED", "UNRESTRICTED"]
    limit_area: ShownCircle | UnsetType = UNSET
    """Absent while the limit waits for the first place, and for areas that no circle of CAMARA covers."""


class QueryResponse(msgspec.Struct, frozen=True, rename="camel"):
    """QueryFraudPreventionResponse: what was asked for, of the two."""

    imei_bind: ImeiBind | UnsetType = UNSET
    area_limit: ShownLimit | UnsetType = UNSET


def area_limit(sim: Sim) -> ShownLimit:
    """To which area a SIM is limited."""
    if sim.area is None:
        return ShownLimit("UNRESTRICTED")
    return ShownLimit("RESTRICTED", shown_circle(sim.area.area))


def imei_bind(sim: Sim) -> ImeiBind:
    """How a SIM is bound."""
    if sim.binding is None:
        return ImeiBind("UNBOUND")
    if sim.binding.kind is BindingKind.TAC or len(sim.binding.values) != 1:
        return ImeiBind("BOUND")
    return ImeiBind("BOUND", full_imei(sim.binding.values[0]))


def _wording(name: str, said: str) -> Wording:
    """The document's texts for the property `name`, which they call `said`."""
    invalid: dict[str, Problem] = {name: (InvalidArgument, f"The value of {said} can only be IMEIBIND,AREALIMIT")}
    missing = {name: f"{said[0].upper()}{said[1:]} must be specified"}
    return Wording(missing, {**invalid, **device_wording()})


BIND = _wording("bindType", "bindType")
UNBIND = _wording("unBindType", "unbindType")
QUERY = _wording("queryType", "queryType")
