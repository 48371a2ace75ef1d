"""Requests and answers of `openapi.yaml`, with the property names of the draft."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from simwarden.northbound.kernel.bodies import Problem, Wording, device_wording
from simwarden.northbound.kernel.devices import StrictDevice, StrictIpv4Address
from simwarden.northbound.kernel.errors import InvalidArgument

if TYPE_CHECKING:
    from simwarden.domain.sim import ClosedApn, Lifecycle
    from simwarden.engine.function_status import FunctionView

FunctionType = Literal["SMS", "VOICE", "DATA"]
FunctionStatus = Literal["active", "inactive"]


class DraftIpv4Address(StrictIpv4Address, frozen=True, forbid_unknown_fields=True):
    """DeviceIpv4Addr of the draft: ports from 1024."""

    public_port: Annotated[int, Meta(ge=1024, le=65535)] | UnsetType = UNSET


class DraftDevice(StrictDevice, frozen=True, forbid_unknown_fields=True):
    """Device of the draft."""

    ipv4_address: DraftIpv4Address | UnsetType = UNSET


class FunctionRequest(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """CommunicationFunctionRequest."""

    function_type: FunctionType
    device: DraftDevice | UnsetType = UNSET


class RetrieveRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """RetrieveRequest (extension)."""

    device: DraftDevice | UnsetType = UNSET


class FunctionResponse(msgspec.Struct, frozen=True, rename="camel"):
    """CommunicationFunctionResponse."""

    function_type: FunctionType
    function_status: FunctionStatus


class BarInfo(msgspec.Struct, frozen=True):
    """Bar (extension)."""

    cause: str
    since: datetime


class FunctionInfo(msgspec.Struct, frozen=True, rename="camel"):
    """CommunicationFunction (extension)."""

    function_type: str
    requested_status: FunctionStatus
    function_status: FunctionStatus
    bars: list[BarInfo]
    since: datetime | UnsetType = UNSET
    enforcement: str | UnsetType = UNSET


class ApnInfo(msgspec.Struct, frozen=True):
    """ClosedApn (extension)."""

    apn: str
    since: datetime


class RetrieveResponse(msgspec.Struct, frozen=True, rename="camel"):
    """RetrieveResponse (extension)."""

    sim_state: str
    functions: list[FunctionInfo]
    closed_apns: list[ApnInfo]


def status(*, works: bool) -> FunctionStatus:
    """In the draft's words."""
    return "active" if works else "inactive"


def retrieved(lifecycle: Lifecycle, views: list[FunctionView], apns: tuple[ClosedApn, ...]) -> RetrieveResponse:
    """How the functions of a SIM stand."""
    return RetrieveResponse(
        str(lifecycle),
        [
            FunctionInfo(
                view.function,
                status(works=view.requested),
                status(works=view.effective),
                [BarInfo(str(bar.cause), bar.since) for bar in view.bars],
                UNSET if view.since is None else view.since,
                UNSET if view.enforcement is None else str(view.enforcement),
            )
            for view in views
        ],
        [ApnInfo(closed.apn, closed.since) for closed in apns],
    )


_invalid: dict[str, Problem] = {
    "functionType": (InvalidArgument, "The value of functionType can only be SMS, VOICE, DATA"),
    **device_wording(),
}
WORDING = Wording(
    missing={"functionType": "Function type must be specified"},
    invalid=_invalid,
    limits={"device.ipv4Address.publicPort": "The value of ipv4Address.publicPort must be from 1024 to 65535"},
)
