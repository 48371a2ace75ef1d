"""retrieve-date and check."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.json import Decoder

from simwarden.accounts.scopes import of_operations
from simwarden.northbound.kernel.api import Answer, Api, Endpoint, Request
from simwarden.northbound.kernel.bodies import decode
from simwarden.northbound.kernel.errors import ServiceNotApplicable
from simwarden.northbound.kernel.numbers import Assignments, Monitored, NumberHistory, NumberRequest, within
from simwarden.northbound.sim_swap import schemas

if TYPE_CHECKING:
    from datetime import datetime

    from msgspec import UnsetType

    from simwarden.northbound.kernel.services import Services

NAME = "sim-swap"
_NOT_RECORDED = "It is not recorded since when the SIM has had this phone number"


class SimSwap:
    """The two operations. A number that is new in the record counts as swapped then, as CAMARA's document says."""

    def __init__(self, services: Services, history: NumberHistory) -> None:
        self._assignments = Assignments(services, history)
        self._monitored = Monitored(services.swaps_monitored_days)
        self._clock = services.edge.clock
        self._date = Decoder(NumberRequest)
        self._check = Decoder(schemas.SimSwapCheckRequest)

    async def retrieve_date(self, request: Request) -> Answer:
        """When a phone number came to the SIM that has it (retrieveSimSwapDate)."""
        wanted = decode(self._date, request.body, schemas.WORDING)
        at = await self._latest(request, wanted.phone_number)
        return Answer(200, schemas.SimSwapDateResponse(*self._monitored.told(at, self._clock())))

    async def check(self, request: Request) -> Answer:
        """Whether a phone number came to the SIM that has it in the last hours (checkSimSwap)."""
        wanted = decode(self._check, request.body, schemas.WORDING)
        self._monitored.check(wanted.max_age)
        at = await self._latest(request, wanted.phone_number)
        if at is None:
            raise ServiceNotApplicable(_NOT_RECORDED)
        return Answer(200, schemas.SimSwapCheckResponse(within(at, self._clock(), wanted.max_age)))

    async def _latest(self, request: Request, number: str | UnsetType) -> datetime | None:
        _, found = await self._assignments.find(request, number)
        return None if found is None else found.sim_since


def build(services: Services) -> Api | None:
    """The API, to be mounted at `/sim-swap`; None where numbers have no history."""
    if not isinstance(services.sims, NumberHistory):
        return None
    served = SimSwap(services, services.sims)
    endpoints = {
        "/v2/retrieve-date": {"POST": Endpoint("retrieveSimSwapDate", served.retrieve_date, has_body=True, reads=True)},
        "/v2/check": {"POST": Endpoint("checkSimSwap", served.check, has_body=True, reads=True)},
    }
    return Api(NAME, endpoints, of_operations(__package__), services.edge)
