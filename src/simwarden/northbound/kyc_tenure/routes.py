"""check-tenure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.json import Decoder

from simwarden.accounts.scopes import of_operations
from simwarden.northbound.kernel.api import Answer, Api, Endpoint, Request
from simwarden.northbound.kernel.bodies import decode
from simwarden.northbound.kernel.numbers import NumberHistory, Owners
from simwarden.northbound.kyc_tenure import schemas

if TYPE_CHECKING:
    from simwarden.northbound.kernel.services import Services

NAME = "kyc-tenure"


class Tenure:
    """The one operation."""

    def __init__(self, services: Services, history: NumberHistory) -> None:
        self._owners = Owners(services, history)
        self._check = Decoder(schemas.TenureRequest)

    async def check(self, request: Request) -> Answer:
        """Whether a phone number has had its subscriber since a date (checkTenure)."""
        wanted = decode(self._check, request.body, schemas.WORDING)
        held = await self._owners.since(request, wanted.phone_number, wanted.tenure_date, "tenureDate")
        return Answer(200, schemas.TenureResponse(held))


def build(services: Services) -> Api | None:
    """The API, to be mounted at `/kyc-tenure`; None where numbers have no history."""
    if not isinstance(services.sims, NumberHistory):
        return None
    served = Tenure(services, services.sims)
    endpoints = {"/v0.2/check-tenure": {"POST": Endpoint("checkTenure", served.check, has_body=True, reads=True)}}
    return Api(NAME, endpoints, of_operations(__package__), services.edge)
