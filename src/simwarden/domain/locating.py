"""Which of the things that say where a SIM is counts. Pure.

A gateway that shows the SIM in one of its slots and reports on time is the nearest witness: the SIM is at its site.
Otherwise the newest of the site and of the cell of a session counts; and where neither is known, the installation
address.
"""

from __future__ import annotations

import math
from datetime import timedelta

import msgspec

from simwarden.domain.errors import InvalidValue
from simwarden.domain.place import Place

MAX_RADIUS = 100_000.0
"""Metres. A larger circle says nothing about where a SIM is."""


class Traces(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that says where a SIM is."""

    site: Place | None = None
    """Of the gateway in whose slot it was seen last, at the time when that was so."""
    shown_within: timedelta | None = None
    """The gateway shows it in that slot, and is not silent until so long after the site's time. None: it does not."""
    cell: Place | None = None
    """Of the newest report of a session."""
    address: Place | None = None

    def place(self) -> Place | None:
        """Where the SIM is; None where nothing says so."""
        if self.site is None or self.cell is None:
            return self.site or self.cell or self.address
        stands_for = self.shown_within or timedelta(0)
        return self.cell if self.cell.at > self.site.at + stands_for else self.site


class Site(msgspec.Struct, frozen=True):
    """The circle on earth in which something stands: a gateway, the mast of a cell, a meter."""

    latitude: float
    longitude: float
    radius: float
    """Metres."""


class InvalidSite(InvalidValue):
    """This is not a circle on earth. The message names the field."""


def checked_site(latitude: float, longitude: float, radius: float) -> Site:
    """A checked site. Raises InvalidSite.

    A latitude beyond 90 beside a longitude that could be one is said to look swapped. The point 0, 0 in the sea, which
    stands for "not known" in many lists, is refused.
    """
    for name, value in (("latitude", latitude), ("longitude", longitude), ("radius", radius)):
        if not math.isfinite(value):
            raise InvalidSite(f"{name}: a number is needed, not {value}")
    if not -90 <= latitude <= 90:
        swapped = ", and latitude and longitude look swapped" if abs(latitude) <= 180 and abs(longitude) <= 90 else ""
        raise InvalidSite(f"latitude: {latitude:g} is not between -90 and 90 degrees{swapped}")
    if not -180 <= longitude <= 180:
        raise InvalidSite(f"longitude: {longitude:g} is not between -180 and 180 degrees")
    if latitude == 0 and longitude == 0:
        raise InvalidSite("latitude: 0 with the longitude 0 is no place but a missing one")
    if not 0 < radius <= MAX_RADIUS:
        raise InvalidSite(f"radius: {radius:g} is not more than 0 and at most {MAX_RADIUS:g} metres")
    return Site(float(latitude), float(longitude), float(radius))
