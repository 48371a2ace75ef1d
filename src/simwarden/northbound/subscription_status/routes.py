"""retrive-subscription-status (sic)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET
from msgspec.json import Decoder

from simwarden.accounts.scopes import of_operations
from simwarden.domain.errors import SimNotFound
from simwarden.domain.sim import IdentifierKind, SimRef
from simwarden.northbound.kernel.api import Answer, Api, Endpoint, Request
from simwarden.northbound.kernel.bodies import decode
from simwarden.northbound.kernel.errors import InvalidTokenContext, MissingIdentifier
from simwarden.northbound.subscription_status import schemas

if TYPE_CHECKING:
    from msgspec import UnsetType

    from simwarden.northbound.kernel.devices import Devices
    from simwarden.northbound.kernel.ports import TokenHolder
    from simwarden.northbound.kernel.services import Services

NAME = "subscription-status"


class NumberNotFound(SimNotFound):
    """The phone number provided is not associated with a customer account"""

    text = "The phone number provided is not associated with a customer account"


class SubscriptionStatus:
    """The one operation."""

    def __init__(self, devices: Devices) -> None:
        self._devices = devices
        self._request = Decoder(schemas.FunctionStatusRequest)

    async def retrieve(self, request: Request) -> Answer:
        """Say which services of a phone number work (retriveSubscriptionStatus)."""
        wanted = decode(self._request, request.body, schemas.WORDING)
        number = _number(request.caller, wanted.phone_number)
        try:
            ref = self._devices.covered(request.caller, SimRef(IdentifierKind.MSISDN, number))
            sim = await self._devices.find(request.caller, ref)
        except SimNotFound as error:
            raise NumberNotFound from error
        return Answer(200, schemas.status_of(sim))


def _number(caller: TokenHolder, given: str | UnsetType) -> str:
    """The token's number, which a given one has to match, else the given one (the document's own rule)."""
    if caller.device is not None:
        if given not in (UNSET, caller.device):
            raise InvalidTokenContext("phoneNumber is not consistent with access token.")
        return caller.device
    if given is UNSET:
        raise MissingIdentifier("No phone number has been provided")
    return given


def build(services: Services) -> Api:
    """The API, to be mounted at `/subscription-status`."""
    served = SubscriptionStatus(services.devices)
    path = "retrive-subscription-status"
    endpoint = Endpoint("retriveSubscriptionStatus", served.retrieve, has_body=True, reads=True)
    return Api(NAME, {f"/v0.1/{path}": {"POST": endpoint}}, of_operations(__package__), services.edge)
