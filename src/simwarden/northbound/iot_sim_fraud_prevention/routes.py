"""bind, unbind and query."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.json import Decoder

from simwarden.accounts.scopes import of_operations
from simwarden.domain.errors import NotBound
from simwarden.domain.rules.device import Bind, Unbind
from simwarden.northbound.iot_sim_fraud_prevention import schemas
from simwarden.northbound.kernel.api import Answer, Api, Endpoint, Request
from simwarden.northbound.kernel.bodies import decode
from simwarden.northbound.kernel.errors import CamaraError, ServiceNotApplicable
from simwarden.northbound.kernel.writing import SimCommands

if TYPE_CHECKING:
    from msgspec import UnsetType

    from simwarden.domain.decision import Decision
    from simwarden.domain.sim import SimRef
    from simwarden.northbound.kernel.devices import Device
    from simwarden.northbound.kernel.services import Services

NAME = "iot-sim-fraud-prevention"
AREA = "AREALIMIT"
_NO_AREAS = "Area limits are not available for this SIM"


class UnnecessaryUnbindImei(CamaraError):
    """The current device imei has been unbound"""

    status, code = 422, "UNNECESSARY_UNBIND_IMEI"


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
        """Bind the SIM to the device it is in (bindDeviceImei). A device that somebody named is kept."""
        wanted = decode(self._bind, request.body, schemas.BIND)
        ref = await self._named(request, wanted.device, wanted.bind_type)
        settings = await self._preferences.settings(request.caller.account_id)
        command = Bind(new_policy=settings.policy, strict=settings.strict, again=True)
        return await self._commands.perform(request, ref, command, _bound)

    async def unbind(self, request: Request) -> Answer:
        """Remove the binding (unBindDeviceImei)."""
        wanted = decode(self._unbind, request.body, schemas.UNBIND)
        ref = await self._named(request, wanted.device, wanted.un_bind_type)
        return await self._commands.perform(
            request, ref, Unbind(), _unbound, {NotBound: lambda _: UnnecessaryUnbindImei()}
        )

    async def query(self, request: Request) -> Answer:
        """Say how the SIM is bound (query)."""
        wanted = decode(self._query, request.body, schemas.QUERY)
        ref = await self._named(request, wanted.device, wanted.query_type)
        return Answer(200, schemas.QueryResponse(schemas.imei_bind(await self._devices.find(request.caller, ref))))

    async def _named(self, request: Request, device: Device | UnsetType, what: str) -> SimRef:
        """The name of the SIM that is meant. Raises ServiceNotApplicable for area limits, which no SIM has."""
        ref = self._devices.name(request.caller, device)
        if what == AREA:
            await self._devices.find(request.caller, ref)
            raise ServiceNotApplicable(_NO_AREAS)
        return ref


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
