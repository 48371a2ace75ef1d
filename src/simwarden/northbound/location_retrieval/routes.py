"""retrieve."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from msgspec import UNSET
from msgspec.json import Decoder

from simwarden.accounts.scopes import of_operations
from simwarden.northbound.kernel.api import Answer, Api, Endpoint, Request
from simwarden.northbound.kernel.areas import CircleArea, Point
from simwarden.northbound.kernel.bodies import decode
from simwarden.northbound.kernel.errors import CamaraError
from simwarden.northbound.kernel.located import Locator
from simwarden.northbound.location_retrieval import schemas

if TYPE_CHECKING:
    from simwarden.northbound.kernel.ports import PlaceFinder
    from simwarden.northbound.kernel.services import Services

NAME = "location-retrieval"
SMALLEST = 1.0
"""Metres: the smallest radius that the document allows in an answer."""


class RetrieveUnableToFulfillMaxAge(CamaraError):
    """Unable to provide expected freshness for location"""

    status, code = 422, "LOCATION_RETRIEVAL.UNABLE_TO_FULFILL_MAX_AGE"


class RetrieveUnableToFulfillMaxSurface(CamaraError):
    """Unable to provide accurate acceptable surface for location"""

    status, code = 422, "LOCATION_RETRIEVAL.UNABLE_TO_FULFILL_MAX_SURFACE"


class RetrieveUnableToLocate(CamaraError):
    """The network is unable to locate the device"""

    status, code = 422, "LOCATION_RETRIEVAL.UNABLE_TO_LOCATE"


class LocationRetrieval:
    """The operation."""

    def __init__(self, services: Services, places: PlaceFinder) -> None:
        self._locator = Locator(services, places, unable=RetrieveUnableToLocate, too_old=RetrieveUnableToFulfillMaxAge)
        self._decoder = Decoder(schemas.RetrieveLocationRequest)

    async def retrieve(self, request: Request) -> Answer:
        """Say in which circle a device is (retrieveLocation)."""
        wanted = decode(self._decoder, request.body, schemas.WORDING)
        found = await self._locator.locate(request, wanted.device, wanted.max_age)
        place = found.place
        radius = max(place.radius, SMALLEST)
        if wanted.max_surface is not UNSET and math.pi * radius**2 > wanted.max_surface:
            raise RetrieveUnableToFulfillMaxSurface
        area = CircleArea("CIRCLE", Point(place.latitude, place.longitude), radius)
        return Answer(200, schemas.LocationResponse(place.at, area, found.device))


def build(services: Services) -> Api | None:
    """The API, to be mounted at `/location-retrieval`; None where nobody knows places."""
    if services.places is None:
        return None
    served = LocationRetrieval(services, services.places)
    endpoints = {"/v0.5/retrieve": {"POST": Endpoint("retrieveLocation", served.retrieve, has_body=True, reads=True)}}
    return Api(NAME, endpoints, of_operations(__package__), services.edge)
