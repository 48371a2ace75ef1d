"""bind, unbind and query."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.json import Decoder

from simwarden.accounts.scopes import of_operations
from simwarden.domain.decide import Target
from simwarden.domain.errors import NotBound
from simwarden.domain.events import Cause, CauseKind
from simwarden.northbound.iot_sim_fraud_prevention import schemas
from simwarden.northbound.kernel.api import Answer, Api, Endpoint, Request
from simwarden.northbound.kernel.bodies import decode
from simwarden.northbound.kernel.errors import CamaraError, ServiceNotApplicable
from simwarden.northbound.kernel.writing import perform

if TYPE_CHECKING:
    from msgspec import UnsetType

    from simwarden.domain.decide import Decision
    from simwarden.domain.sim import Sim, SimRef
    from simwarden.northbound.kernel.devices import Device
    from simwarden.northbound.kernel.services import Services

NAME = "iot-sim-fraud-prevention"
AREA = "AREALIMIT"
_DEVICE_IN_USE = Target()
"""A bare bind is to the device that the SIM is in now, unless somebody named the device it is bound to."""
_NO_AREAS = "Area limits are not available for this SIM"


class UnnecessaryUnbindImei(CamaraError):
    """The current device imei has been unbound"""

    status, code = 422, "UNNECESSARY_UNBIND_IMEI"


class FraudPrevention:
    """The three operations, for one version of the contract."""

    def __init__(self, services: Services, *, strict: bool) -> None:
        """`strict`: refuse unknown properties (Commonalities 0.8)."""
        self._devices = services.devices
        self._bindings = services.bindings
        self._preferences = services.accounts
        self._clock = services.edge.clock
        self._bind = Decoder(schemas.StrictBindRequest if strict else schemas.BindRequest)
        self._unbind = Decoder(schemas.StrictUnbindRequest if strict else schemas.UnbindRequest)
        self._query = Decoder(schemas.StrictQueryRequest if strict else schemas.QueryRequest)

    async def bind(self, request: Request) -> Answer:
        """Bind the SIM to the device it is in (bindDeviceImei). A device that somebody named is kept."""
        wanted = decode(self._bind, request.body, schemas.BIND)
        ref, sim = await self._sim(request, wanted.device, wanted.bind_type)
        settings = await self._preferences.settings(request.caller.account_id)
        policy = settings.policy if sim.binding is None else None  # bound before: as before
        cause = self._cause(request, "bind")
        account_id = request.caller.account_id
        return await perform(
            request,
            lambda once: self._bindings.bind(
                account_id, ref, _DEVICE_IN_USE, policy, cause, strict=settings.strict, once=once, usage=request.usage
            ),
            _bound,
        )

    async def unbind(self, request: Request) -> Answer:
        """Remove the binding (unBindDeviceImei)."""
        wanted = decode(self._unbind, request.body, schemas.UNBIND)
        ref, _ = await self._sim(request, wanted.device, wanted.un_bind_type)
        account_id, cause = request.caller.account_id, self._cause(request, "unbind")
        return await perform(
            request,
            lambda once: self._bindings.unbind(account_id, ref, cause, once=once, usage=request.usage),
            _unbound,
            {NotBound: lambda _: UnnecessaryUnbindImei()},
        )

    async def query(self, request: Request) -> Answer:
        """Say how the SIM is bound (query)."""
        wanted = decode(self._query, request.body, schemas.QUERY)
        _, sim = await self._sim(request, wanted.device, wanted.query_type)
        return Answer(200, schemas.QueryResponse(schemas.imei_bind(sim)))

    async def _sim(self, request: Request, device: Device | UnsetType, what: str) -> tuple[SimRef, Sim]:
        """The SIM that is meant. Raises ServiceNotApplicable for area limits, which no SIM has."""
        ref = self._devices.name(request.caller, device)
        sim = await self._devices.find(request.caller, ref)
        if what == AREA:
            raise ServiceNotApplicable(_NO_AREAS)
        return ref, sim

    def _cause(self, request: Request, operation: str) -> Cause:
        return Cause(
            CauseKind.CALL, request.caller.app_key, self._clock(), message=operation, reference=request.correlator
        )


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
