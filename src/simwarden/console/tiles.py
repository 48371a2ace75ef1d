"""Tiles of a map server behind the maps, where a setting names one: pictures of 256 points in Web Mercator.

The maps here draw latitudes as they are, so each tile is stretched to its own latitudes. That is true to a few points
from LEAST_ZOOM on; maps that show more of the earth keep to the outlines.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

if TYPE_CHECKING:
    from simwarden.console.drawing import Map
    from simwarden.console.maps import Ground, WorldMap

LEAST_ZOOM, MOST_ZOOM = 6, 19
SIZE = 256
"""Units of a map that a tile is about as wide as."""
MERCATOR = 85.05112878
"""Degrees: the northernmost latitude that has tiles."""
_FIELDS = ("{z}", "{x}", "{y}")


class Tile(msgspec.Struct, frozen=True):
    """A picture on a map, in its units."""

    href: str
    x: float
    y: float
    width: float
    height: float


class TileSource(msgspec.Struct, frozen=True):
    """A map server."""

    template: str
    """Address of a tile, with {z}, {x} and {y}. Its host goes into the policy of the pages: the settings check it."""
    attribution: str = ""
    """Whose map that is: to be shown beside it."""

    @property
    def origin(self) -> str:
        """For the policy of the pages: where their pictures may come from."""
        parts = urlsplit(self.template)
        return f"{parts.scheme}://{parts.netloc}"

    def cover(self, ground: Ground, width: int, height: int) -> list[Tile]:
        """The tiles behind a map of `width` by `height` units; none where it shows too much of the earth."""
        zoom = min(MOST_ZOOM, round(math.log2(ground.across * 360 / SIZE)))
        if zoom < LEAST_ZOOM:
            return []
        count = 1 << zoom
        half = width / 2 / ground.across
        first = math.floor((ground.longitude - half + 180) / 360 * count)
        last = math.floor((ground.longitude + half + 180) / 360 * count)
        tall = height / 2 / ground.down
        top = max(0, math.floor(_row(ground.latitude + tall, count)))
        bottom = min(count - 1, math.floor(_row(ground.latitude - tall, count)))
        found = []
        for row in range(top, bottom + 1):
            north, south = _latitude(row, count), _latitude(row + 1, count)
            y = height / 2 - (north - ground.latitude) * ground.down
            for column in range(first, last + 1):
                x = width / 2 + (column * 360 / count - 180 - ground.longitude) * ground.across
                size = 360 / count * ground.across, (north - south) * ground.down
                found.append(Tile(self._address(zoom, column % count, row), *(round(n, 2) for n in (x, y, *size))))
        return found

    def _address(self, zoom: int, column: int, row: int) -> str:
        values = (str(zoom), str(column), str(row))
        address = self.template
        for field, value in zip(_FIELDS, values, strict=True):
            address = address.replace(field, value)
        return address


def behind(source: TileSource | None, shown: WorldMap | Map) -> list[Tile]:
    """The tiles of a map, for its template; none where no map server is set."""
    return [] if source is None else source.cover(shown.ground, shown.width, shown.height)


def _row(latitude: float, count: int) -> float:
    """How many rows of tiles lie north of a latitude."""
    bounded = math.radians(max(-MERCATOR, min(MERCATOR, latitude)))
    return (1 - math.asinh(math.tan(bounded)) / math.pi) / 2 * count


def _latitude(row: int, count: int) -> float:
    """Of the northern edge of a row of tiles."""
    return math.degrees(math.atan(math.sinh(math.pi * (1 - 2 * row / count))))
