"""retrieve-date and check."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from msgspec.json import Decoder

from simwarden.accounts.scopes import of_operations
from simwarden.northbound.device_swap import schemas
from simwarden.northbound.kernel.api import Answer, Api, Endpoint, Request
from simwarden.northbound.kernel.bodies import decode
from simwarden.northbound.kernel.errors import ServiceNotApplicable
from simwarden.northbound.kernel.numbers import Callers, Monitored, NumberRequest, within

if TYPE_CHECKING:
    from datetime import datetime

    from msgspec import UnsetType

    from simwarden.domain.sim import Sim
    from simwarden.northbound.kernel.services import Services
    from simwarden.store.sims import DeviceDates

NAME = "device-swap"
_NEVER_SEEN = "This phone number has never been in a device"
_NOT_RECORDED = "It is not recorded when this phone number was put into its device"


@runtime_checkable
class DeviceHistory(Protocol):
    """Knows when SIMs came into devices."""

    async def device_dates(self, sim: Sim) -> DeviceDates:
        """By the events of this SIM."""


class DeviceSwap:
    """The two operations, for one version of the contract."""

    def __init__(self, services: Services, history: DeviceHistory, *, strict: bool) -> None:
        """`strict`: refuse unknown properties (Commonalities 0.8)."""
        self._callers = Callers(services)
        self._history = history
        self._monitored = Monitored(services.swaps_monitored_days)
        self._clock = services.edge.clock
        self._date = Decoder(schemas.StrictDateRequest if strict else NumberRequest)
        self._check = Decoder(schemas.StrictCheckRequest if strict else schemas.CheckRequest)

    async def retrieve_date(self, request: Request) -> Answer:
        """When the device of a phone number last changed, else when it was first in one (retrieveDeviceSwapDate)."""
        wanted = decode(self._date, request.body, schemas.WORDING)
        at, _ = await self._latest(request, wanted.phone_number)
        return Answer(200, schemas.DateResponse(*self._monitored.told(at, self._clock())))

    async def check(self, request: Request) -> Answer:
        """Whether the device of a phone number changed in the last hours (checkDeviceSwap)."""
        wanted = decode(self._check, request.body, schemas.WORDING)
        self._monitored.check(wanted.max_age)
        at, is_swap = await self._latest(request, wanted.phone_number)
        if at is None:
            raise ServiceNotApplicable(_NOT_RECORDED)
        return Answer(200, schemas.CheckResponse(is_swap and within(at, self._clock(), wanted.max_age)))

    async def _latest(self, request: Request, number: str | UnsetType) -> tuple[datetime | None, bool]:
        """Raises MissingIdentifier, UnnecessaryIdentifier, SimNotFound, ServiceNotApplicable (never in a device)."""
        sim = await self._callers.sim(request, number)
        if sim.seen is None or sim.seen.imei is None:
            raise ServiceNotApplicable(_NEVER_SEEN)
        return (await self._history.device_dates(sim)).latest


def build(services: Services) -> Api | None:
    """The API, to be mounted at `/device-swap`; None where the SIMs have no history of devices."""
    if not isinstance(services.sims, DeviceHistory):
        return None
    endpoints = {}
    for version, strict in (("v1", False), ("vwip", True)):
        served = DeviceSwap(services, services.sims, strict=strict)
        for path, name, handle in (
            ("retrieve-date", "retrieveDeviceSwapDate", served.retrieve_date),
            ("check", "checkDeviceSwap", served.check),
        ):
            endpoints[f"/{version}/{path}"] = {"POST": Endpoint(name, handle, has_body=True, reads=True)}
    return Api(NAME, endpoints, of_operations(__package__), services.edge)
