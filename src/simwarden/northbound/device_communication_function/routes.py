"""activate, deactivate, and the extension retrieve."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.json import Decoder

from simwarden.accounts.scopes import of_operations
from simwarden.domain.errors import NothingToChange
from simwarden.domain.rules.functions import FunctionState, SetFunctions
from simwarden.domain.sim import Function
from simwarden.northbound.device_communication_function import schemas
from simwarden.northbound.kernel.api import Answer, Api, Endpoint, Request
from simwarden.northbound.kernel.bodies import decode
from simwarden.northbound.kernel.errors import CamaraError
from simwarden.northbound.kernel.writing import SimCommands

if TYPE_CHECKING:
    from simwarden.domain.decision import Decision
    from simwarden.northbound.kernel.services import Services

NAME = "device-communication-function"


class UnnecessaryActivation(CamaraError):
    """The specified communication function of the device has already been activated"""

    status, code = 422, "UNNECESSARY_ACTIVATION"


class UnnecessaryDeactivation(CamaraError):
    """The specified communication function of the device has already been deactivated"""

    status, code = 422, "UNNECESSARY_DEACTIVATION"


class CommunicationFunctions:
    """The three operations."""

    def __init__(self, services: Services) -> None:
        self._devices = services.devices
        self._commands = SimCommands(services)
        self._functions = services.functions
        self._request = Decoder(schemas.FunctionRequest)
        self._retrieve = Decoder(schemas.RetrieveRequest)

    async def activate(self, request: Request) -> Answer:
        """Open a function that the customer closed (activate-communication-function)."""
        return await self._set(request, FunctionState.OPEN, UnnecessaryActivation)

    async def deactivate(self, request: Request) -> Answer:
        """Close a function (deactivate-communication-function)."""
        return await self._set(request, FunctionState.CLOSED, UnnecessaryDeactivation)

    async def retrieve(self, request: Request) -> Answer:
        """Say how each function stands (retrieveCommunicationFunctions)."""
        wanted = decode(self._retrieve, request.body, schemas.WORDING)
        sim = await self._devices.find(request.caller, self._devices.name(request.caller, wanted.device))
        views = await self._functions.read(sim)
        return Answer(200, schemas.retrieved(sim.lifecycle, list(views), sim.closed_apns))

    async def _set(self, request: Request, state: FunctionState, unnecessary: type[CamaraError]) -> Answer:
        wanted = decode(self._request, request.body, schemas.WORDING)
        ref = self._devices.name(request.caller, wanted.device)
        function = Function[wanted.function_type]

        def answered(outcome: Decision) -> Answer:
            works = not outcome.sim.functions_off & function
            return Answer(200, schemas.FunctionResponse(wanted.function_type, schemas.status(works=works)))

        return await self._commands.perform(
            request,
            ref,
            SetFunctions(state, int(function)),
            answered,
            {NothingToChange: lambda _: unnecessary()},
            operation="activate" if state is FunctionState.OPEN else "deactivate",
        )


def build(services: Services) -> Api:
    """The API, to be mounted at `/device-communication-function`."""
    served = CommunicationFunctions(services)
    endpoints = {
        "/vwip/activate": {
            "POST": Endpoint("activate-communication-function", served.activate, has_body=True, once=True)
        },
        "/vwip/deactivate": {
            "POST": Endpoint("deactivate-communication-function", served.deactivate, has_body=True, once=True)
        },
        "/vwip/retrieve": {
            "POST": Endpoint("retrieveCommunicationFunctions", served.retrieve, has_body=True, reads=True)
        },
    }
    return Api(NAME, endpoints, of_operations(__package__), services.edge)
