"""check."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.json import Decoder

from simwarden.accounts.scopes import of_operations
from simwarden.northbound.kernel.api import Answer, Api, Endpoint, Request
from simwarden.northbound.kernel.bodies import decode
from simwarden.northbound.kernel.numbers import NumberHistory, Owners
from simwarden.northbound.number_recycling import schemas

if TYPE_CHECKING:
    from simwarden.northbound.kernel.services import Services

NAME = "number-recycling"


class NumberRecycling:
    """The one operation."""

    def __init__(self, services: Services, history: NumberHistory) -> None:
        self._owners = Owners(services, history)
        self._check = Decoder(schemas.RecyclingRequest)

    async def check(self, request: Request) -> Answer:
        """Whether a phone number has another subscriber than on a date (checkNumberRecycling)."""
        wanted = decode(self._check, request.body, schemas.WORDING)
        same = await self._owners.since(request, wanted.phone_number, wanted.specified_date, "specifiedDate")
        return Answer(200, schemas.RecyclingResponse(not same))


def build(services: Services) -> Api | None:
    """The API, to be mounted at `/number-recycling`; None where numbers have no history."""
    if not isinstance(services.sims, NumberHistory):
        return None
    served = NumberRecycling(services, services.sims)
    endpoints = {"/v0.2/check": {"POST": Endpoint("checkNumberRecycling", served.check, has_body=True, reads=True)}}
    return Api(NAME, endpoints, of_operations(__package__), services.edge)
