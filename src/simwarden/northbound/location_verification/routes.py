"""verify."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.json import Decoder

from simwarden.accounts.scopes import of_operations
from simwarden.domain.area import Whereabouts, compare, share_inside
from simwarden.northbound.kernel.api import Answer, Api, Endpoint, Request
from simwarden.northbound.kernel.areas import CircleRules
from simwarden.northbound.kernel.bodies import decode
from simwarden.northbound.kernel.errors import CamaraError
from simwarden.northbound.kernel.located import Locator
from simwarden.northbound.location_verification import schemas

if TYPE_CHECKING:
    from simwarden.northbound.kernel.ports import PlaceFinder
    from simwarden.northbound.kernel.services import Services

NAME = "location-verification"


class VerifyAreaNotCovered(CamaraError):
    """Unable to cover the requested area"""

    status, code = 422, "LOCATION_VERIFICATION.AREA_NOT_COVERED"


class VerifyInvalidArea(CamaraError):
    """The requested area is too small"""

    status, code = 422, "LOCATION_VERIFICATION.INVALID_AREA"


class VerifyUnableToFulfillMaxAge(CamaraError):
    """Unable to provide expected freshness for location"""

    status, code = 422, "LOCATION_VERIFICATION.UNABLE_TO_FULFILL_MAX_AGE"


class VerifyUnableToLocate(CamaraError):
    """The network is unable to locate the device"""

    status, code = 422, "LOCATION_VERIFICATION.UNABLE_TO_LOCATE"


class LocationVerification:
    """The operation."""

    def __init__(self, services: Services, places: PlaceFinder) -> None:
        self._locator = Locator(services, places, unable=VerifyUnableToLocate, too_old=VerifyUnableToFulfillMaxAge)
        self._circles = CircleRules(VerifyInvalidArea, VerifyAreaNotCovered, services.smallest_area_radius)
        self._decoder = Decoder(schemas.VerifyLocationRequest)

    async def verify(self, request: Request) -> Answer:
        """Compare the circle in which a device is with the wanted one (verifyLocation).

        A place that is not known is an error, never FALSE.
        """
        wanted = decode(self._decoder, request.body, schemas.WORDING)
        self._circles.check(wanted.area)
        area = wanted.area.circle
        found = await self._locator.locate(request, wanted.device, wanted.max_age)
        at, device = found.place.at, found.device
        where = compare(area, found.place)
        if where is Whereabouts.INSIDE:
            return Answer(200, schemas.VerifyLocationResponse("TRUE", at, device=device))
        if where is Whereabouts.OUTSIDE:
            return Answer(200, schemas.VerifyLocationResponse("FALSE", at, device=device))
        rate = min(max(round(100 * share_inside(area, found.place)), 1), 99)
        return Answer(200, schemas.VerifyLocationResponse("PARTIAL", at, rate, device))


def build(services: Services) -> Api | None:
    """The API, to be mounted at `/location-verification`; None where nobody knows places."""
    if services.places is None:
        return None
    served = LocationVerification(services, services.places)
    endpoints = {"/v3/verify": {"POST": Endpoint("verifyLocation", served.verify, has_body=True, reads=True)}}
    return Api(NAME, endpoints, of_operations(__package__), services.edge)
