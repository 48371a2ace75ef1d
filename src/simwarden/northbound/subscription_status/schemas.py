"""Requests and answers of `openapi.yaml`, with the property names of CAMARA."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec
from msgspec import UNSET, UnsetType

from simwarden.domain.sim import Function
from simwarden.northbound.kernel.bodies import Wording
from simwarden.northbound.kernel.devices import PhoneNumber
from simwarden.northbound.kernel.errors import InvalidArgument

if TYPE_CHECKING:
    from simwarden.domain.sim import Sim

Status = Literal["active", "suspended"]


class FunctionStatusRequest(msgspec.Struct, frozen=True, rename="camel"):
    """SubscriptionStatusRequest."""

    phone_number: PhoneNumber | UnsetType = UNSET


class FunctionStatusResponse(msgspec.Struct, frozen=True, rename="camel"):
    """SubscriptionStatusResponse."""

    voice_sms_in: Status
    voice_sms_out: Status
    data_service: Status


WORDING = Wording(invalid={"phoneNumber": (InvalidArgument, "Invalid format: phoneNumber")})


def status_of(sim: Sim) -> FunctionStatusResponse:
    """What works. Voice and short messages are one flag here: suspended when neither works."""
    both = Function.VOICE | Function.SMS
    talk: Status = "suspended" if sim.functions_off & both == both else "active"
    return FunctionStatusResponse(talk, talk, "suspended" if sim.functions_off & Function.DATA else "active")
