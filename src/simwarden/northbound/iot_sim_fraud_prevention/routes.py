"""bind, unbind and query."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.json import Decoder

from simwarden.accounts.scopes import of_operations
from simwarden.domain.errors import NotBound, NotLimited
from simwarden.domain.rules.area import UnlimitArea
from simwarden.domain.rules.device import Bind, Unbind
from simwarden.northbound.iot_sim_fraud_prevention import schemas
from simwarden.northbound.kernel.api import Answer, Api, Endpoint, Request
from simwarden.northbound.kernel.area_limits import bare_limit
from simwarden.northbound.kernel.bodies import decode
from simwarden.northbound.kernel.errors import CamaraError
from simwarden.northbound.kernel.writing import SimCommands

if TYPE_CHECKING:
    from simwarden.domain.command import Command
    from simwarden.domain.decision import Decision
    from simwarden.northbound.kernel.services import Services

NAME = "iot-sim-fraud-prevention"
AREA = "AREALIMIT"


class UnnecessaryUnbindImei(CamaraError):
    """The current device imei has been unbound"""

    status, code = 422, "UNNECESSARY_UNBIND_IMEI"


class UnnecessaryUnbindAreaLimit(CamaraError):
    """The current device area limit has been unbound"""

    status, code = 422, "UNNECESSARY_UNBIND_AREALIMIT"


class FraudPrevention:
    """The three operations, for one version of the contract."""

    def __init__(self, services: Services, *, strict: bool) -> None:
        """`strict`: refuse unknown properties (Commonalities 0.8)."""
        self._devices = services.devices
        self._commands = SimCommands(services)
        self._preferences = services.accounts
        self._bind = Decoder(schemas.StrictBindRequest if strict else schemas.BindRequest)
        self._unbind = Decoder(schemas.StrictUnbindRequest if strict else schemas.UnbindRequest)
        self._query = Decoder(schemas.StrictQueryRequest if strict else schemas.QueryRequest)

    async def bind(self, request: Request) -> Answer:
        """Bind the SIM to the device that it is in, or limit it to an area (bindDeviceImei).

        A device or an area that somebody gave is kept.
        """
        wanted = decode(self._bind, request.body, schemas.BIND)
        ref = self._devices.name(request.caller, wanted.device)
        settings = await self._preferences.settings(request.caller.account_id)
        command: Command = Bind(new_policy=settings.policy, strict=settings.strict, again=True)
        if wanted.bind_type == AREA:
            command = bare_limit(settings)
        return await self._commands.perform(request, ref, command, _bound, operation="bind")

    async def unbind(self, request: Request) -> Answer:
        """Remove the binding, or the area limit; the other one stays (unBindDeviceImei)."""
        wanted = decode(self._unbind, request.body, schemas.UNBIND)
        ref = self._devices.name(request.caller, wanted.device)
        command: Command = UnlimitArea() if wanted.un_bind_type == AREA else Unbind()
        return await self._commands.perform(
            request,
            ref,
            command,
            _unbound,
            {NotBound: lambda _: UnnecessaryUnbindImei(), NotLimited: lambda _: UnnecessaryUnbindAreaLimit()},
            operation="unbind",
        )

    async def query(self, request: Request) -> Answer:
        """Say how the SIM is bound, or to which area it is limited (query)."""
        wanted = decode(self._query, request.body, schemas.QUERY)
        found = await self._devices.find(request.caller, self._devices.name(request.caller, wanted.device))
        if wanted.query_type == AREA:
            return Answer(200, schemas.QueryResponse(area_limit=schemas.area_limit(found)))
        return Answer(200, schemas.QueryResponse(imei_bind=schemas.imei_bind(found)))


def _bound(outcome: Decision) -> Answer:
    return Answer(200, schemas.BindResponse(bound=True), idle=not outcome.events)


def _unbound(_: Decision) -> Answer:
    return Answer(200, schemas.UnbindResponse(unbound=True))


def build(services: Services) -> Api:
    """The API, to be mounted at `/iot-sim-fraud-prevention`."""
    endpoints = {}
    for version, strict in (("v0.1", False), ("vwip", True)):
        served = FraudPrevention(services, strict=strict)
        for path, name, handle in (
            ("bind", "bindDeviceImei", served.bind),
            ("unbind", "unBindDeviceImei", served.unbind),
            ("query", "query", served.query),
        ):
            endpoints[f"/{version}/{path}"] = {
                "POST": Endpoint(name, handle, has_body=True, once=path != "query", reads=path == "query")
            }
    return Api(NAME, endpoints, of_operations(__package__), services.edge)
