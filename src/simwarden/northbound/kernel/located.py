"""Where what a client asks about is: a SIM where it was seen last, a fixed line at its address."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import UNSET

from simwarden.domain.fixed_line import FixedLine
from simwarden.northbound.kernel.devices import Device, counted

if TYPE_CHECKING:
    from msgspec import UnsetType

    from simwarden.domain.errors import SimwardenError
    from simwarden.domain.place import Place
    from simwarden.northbound.kernel.api import Request
    from simwarden.northbound.kernel.ports import PlaceFinder
    from simwarden.northbound.kernel.services import Services


class Located(msgspec.Struct, frozen=True):
    """What was asked about, found."""

    place: Place
    device: Device | UnsetType
    """DeviceResponse: which of several identifiers was used."""


class Locator:
    """Finds where SIMs and fixed lines are."""

    def __init__(
        self,
        services: Services,
        places: PlaceFinder,
        *,
        unable: type[SimwardenError],
        too_old: type[SimwardenError],
    ) -> None:
        """`unable` and `too_old` are the errors of the API for a place that is unknown, and for one that is too old."""
        self._devices = services.devices
        self._places = places
        self._clock = services.edge.clock
        self._unable = unable
        self._too_old = too_old

    async def locate(self, request: Request, device: Device | UnsetType, max_age: int | UnsetType) -> Located:
        """Where the device of a request is, no older than `max_age` seconds.

        No place can be taken at the moment of the question, so a SIM's place is never fresh enough for 0; a fixed
        line's always is. Raises what
        `Devices` raises; `unable`; `too_old`, also for an unknown place of a wanted age.
        """
        caller = request.caller
        ref = self._devices.name(caller, device)
        found = await self._devices.locate(caller, ref)
        now = self._clock()
        place = found.place(now) if isinstance(found, FixedLine) else await self._places.place(found)
        if place is None:
            raise self._unable if max_age is UNSET else self._too_old
        if max_age is not UNSET and (now - place.at).total_seconds() > max_age:
            raise self._too_old
        return Located(place, counted(device, ref))
