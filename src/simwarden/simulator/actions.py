"""The one list of what can be done to a running fleet, behind the control server and the scenarios."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

import msgspec

from simwarden.simulator.errors import InvalidRequest
from simwarden.simulator.fleet import SimulatedFleet
from simwarden.simulator.messages import Message
from simwarden.simulator.operations import (
    ImeiMissing,
    Insert,
    Move,
    MoveWithin,
    Reboot,
    ReceiveSms,
    Remove,
    ReportNow,
    ReportUrl,
    SetFault,
)
from simwarden.simulator.outbreak import Cure, Garbage, MassCalls, MassSms, ZoneCalls
from simwarden.simulator.route import Travel

#: Operations under /gateways/{name}/...
GATEWAY_OPERATIONS: dict[str, type[Any]] = {
    "insert": Insert,
    "remove": Remove,
    "move": MoveWithin,
    "imei-missing": ImeiMissing,
    "fault": SetFault,
    "reboot": Reboot,
    "report-now": ReportNow,
    "report-url": ReportUrl,
    "receive-sms": ReceiveSms,
}

#: Operations that find their gateway by themselves.
FLEET_OPERATIONS: dict[str, type[Any]] = {
    "move": Move,
    "mass-sms": MassSms,
    "mass-calls": MassCalls,
    "cure": Cure,
    "zone-calls": ZoneCalls,
    "garbage": Garbage,
    "travel": Travel,
}

#: What a scenario step may do; there `move` is the one across gateways.
ACTIONS: dict[str, type[Any]] = GATEWAY_OPERATIONS | FLEET_OPERATIONS


def read_operation(kind: type[Any], parameters: object) -> Any:
    """Check the parameters of an operation; raises InvalidRequest that names the field."""
    try:
        return msgspec.convert(parameters, kind)
    except msgspec.ValidationError as error:
        raise InvalidRequest(str(error)) from error


async def perform(fleet: SimulatedFleet, operation: Any) -> Message:
    """Do it and tell what became of it."""
    work: Awaitable[Message] = operation.perform(fleet)
    return await work
