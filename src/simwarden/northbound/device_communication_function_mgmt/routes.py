"""manage: open, close and query data, voice, short messages and single access point names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import UNSET
from msgspec.json import Decoder

from simwarden.accounts.scopes import of_operations
from simwarden.domain.errors import InvalidIdentifier, NothingToChange
from simwarden.domain.identifiers import parse_apn
from simwarden.domain.rules.functions import FunctionState, SetApn, SetFunctions
from simwarden.domain.sim import Function
from simwarden.northbound.device_communication_function_mgmt import schemas
from simwarden.northbound.kernel.api import Answer, Api, Endpoint, Request
from simwarden.northbound.kernel.bodies import decode
from simwarden.northbound.kernel.errors import InvalidArgument
from simwarden.northbound.kernel.writing import SimCommands

if TYPE_CHECKING:
    from simwarden.domain.sim import Sim
    from simwarden.northbound.kernel.services import Services

NAME = "device-communication-function-mgmt"
_FUNCTIONS = {"data": Function.DATA, "voice": Function.VOICE, "sms": Function.SMS}


class Management:
    """The one operation."""

    def __init__(self, services: Services) -> None:
        self._devices = services.devices
        self._commands = SimCommands(services)
        self._request = Decoder(schemas.ManageRequest)

    async def manage(self, request: Request) -> Answer:
        """Open, close or query (manageCommunicationFunction); always answers how every service stands."""
        wanted = decode(self._request, request.body, schemas.WORDING)
        apn = _apn(wanted)
        ref = self._devices.name(request.caller, wanted.device)
        if wanted.action == "query":
            sim = await self._devices.find(request.caller, ref)
            return msgspec.structs.replace(_answer("SUCCESS", "Queried", sim, apn), only_read=True)
        state = FunctionState(wanted.action)
        change = SetFunctions(state, int(_FUNCTIONS[wanted.busi_type])) if apn is None else SetApn(state, apn)
        text = "Opened" if state is FunctionState.OPEN else "Closed"
        return await self._commands.perform(
            request,
            ref,
            change,
            lambda decision: _answer("SUCCESS", text, decision.sim, apn),
            {NothingToChange: lambda error: _answer("NO_CHANGE", error.message, error.sim, apn)},
            operation=f"manage {state}",
        )


def _apn(wanted: schemas.ManageRequest) -> str | None:
    """The access point name that is meant. Raises InvalidArgument when it is missing, not one, or out of place."""
    if wanted.busi_type != "apn":
        if wanted.busi_param is not UNSET:
            raise InvalidArgument("busiParam goes with busiType apn only")
        return None
    if wanted.busi_param is UNSET:
        if wanted.action == "query":
            return None
        raise InvalidArgument("busiParam must be specified")
    try:
        return parse_apn(wanted.busi_param)
    except InvalidIdentifier as error:
        raise InvalidArgument("Invalid format: busiParam") from error


def _answer(code: schemas.Code, message: str, sim: Sim, apn: str | None) -> Answer:
    return Answer(200, schemas.ManageResponse(code, message, schemas.status_of(sim, apn)))


def build(services: Services) -> Api:
    """The API, to be mounted at `/device-communication-function-mgmt`."""
    served = Management(services)
    manage = Endpoint("manageCommunicationFunction", served.manage, has_body=True, once=True)
    endpoints = {"/v1/manage": {"POST": manage}}
    return Api(NAME, endpoints, of_operations(__package__), services.edge, takes_signatures=True)
