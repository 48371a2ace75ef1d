"""A map of the world, or of a part of it, as SVG: outlines that are shipped (static/land.svg), and what is put on it.

Longitudes and latitudes are drawn as they are, with the longitudes as long as they are in the middle of the map.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

WIDTH, HEIGHT = 720, 420
UNIT = 50
"""Of the outlines: so many are a degree."""
DEGREE = 111_320.0
"""Metres of a degree of latitude."""
_CLOSEST = 0.02
"""Degrees of latitude that a map shows at least."""
_AROUND_SPOTS = 3.0
"""The same where only spots are on it: so much that a coast or a border is seen."""
_INSET = 16.0
"""Degrees of latitude of the inset, which says where a map is that shows less than half of that."""
_FLATTEST = 0.15
"""Cosine of the northernmost middle that is drawn true."""
_REACH = 200
"""Degrees from the middle of the outlines to their farthest ends."""
_ROUND = (1, 2, 5)


class Spot(msgspec.Struct, frozen=True):
    """A circle on earth."""

    latitude: float
    longitude: float
    radius: float = 0.0
    """Metres."""
    tone: str = ""
    title: str = ""
    href: str = ""


class MapFigure(msgspec.Struct, frozen=True):
    """A thing on the map, in its units: a circle, or the points of rings."""

    x: float = 0.0
    y: float = 0.0
    r: float = 0.0
    path: str = ""
    tone: str = ""
    title: str = ""
    href: str = ""


class Ground(msgspec.Struct, frozen=True):
    """The part of the earth that a map shows."""

    longitude: float
    latitude: float
    """Of its middle."""
    across: float
    """Units of a degree of longitude,"""
    down: float
    """and of latitude."""


class WorldMap(msgspec.Struct, frozen=True):
    """What the macro `world` draws."""

    shapes: Sequence[MapFigure]
    spots: Sequence[MapFigure]
    lands: Sequence[str]
    """Where the outlines stand: more than one where the map crosses the antimeridian."""
    longitude: float
    latitude: float
    across: float
    """Units of a degree of longitude,"""
    down: float
    """and of latitude."""
    bar: float
    metres: int
    width: int = WIDTH
    height: int = HEIGHT
    has_links: bool = False
    """Things on it lead elsewhere: then it is a group for readers of screens, and no picture."""
    inset: str = ""
    """What the inset shows, as `viewBox`; empty where none is needed."""

    @property
    def ground(self) -> Ground:
        """What it shows of the earth."""
        return Ground(self.longitude, self.latitude, self.across, self.down)


class MapShape(msgspec.Struct, frozen=True):
    """An area as the API writes it, with how it is to be drawn."""

    shape: Mapping[str, Any]
    tone: str = "limit"
    title: str = ""
    href: str = ""


def world(shapes: Iterable[MapShape] = (), spots: Iterable[Spot] = ()) -> WorldMap:
    """A map on which all of these are; the whole world where there is none."""
    drawable = [each for each in shapes if each.shape["type"] in ("Circle", "Polygon")]
    points = list(spots)
    view = _View([*_corners(drawable), *points], _CLOSEST if drawable else _AROUND_SPOTS)
    return WorldMap(
        [_drawn(each, view) for each in drawable],
        [
            MapFigure(*view.point(each.latitude, each.longitude), 5.0, tone=each.tone, title=each.title, href=each.href)
            for each in points
        ],
        view.lands(),
        view.longitude,
        view.latitude,
        view.across,
        view.down,
        *view.scale(),
        has_links=any(each.href for each in drawable) or any(each.href for each in points),
        inset=view_box(view.latitude, view.longitude) if HEIGHT / view.down < _INSET / 2 else "",
    )


def view_box(latitude: float, longitude: float) -> str:
    """The outlines around a point, as `viewBox` of an inset that is half as wide again as it is high."""
    wide = 1.5 * _INSET / max(_FLATTEST, math.cos(math.radians(latitude)))
    corner = (longitude - wide / 2) * UNIT, (-latitude - _INSET / 2) * UNIT
    return f"{corner[0]:.1f} {corner[1]:.1f} {wide * UNIT:.1f} {_INSET * UNIT:.1f}"


def _corners(shapes: Iterable[MapShape]) -> list[Spot]:
    found = []
    for each in shapes:
        if each.shape["type"] == "Circle":
            center = each.shape["center"]
            found.append(Spot(center["latitude"], center["longitude"], each.shape["radius"]))
        else:
            found += [Spot(point[1], point[0]) for ring in each.shape["coordinates"] for point in ring]
    return found


class _View:
    """The part of the world in which all spots are, with some room around them."""

    def __init__(self, spots: Sequence[Spot], closest: float) -> None:
        if not spots:
            self.latitude, self.longitude, self._cos, self.down = 12.0, 0.0, 1.0, WIDTH / 360
            self.across = self.down
            return
        first = spots[0].longitude
        south = min(each.latitude - each.radius / DEGREE for each in spots)
        north = max(each.latitude + each.radius / DEGREE for each in spots)
        self.latitude = (south + north) / 2
        self._cos = max(_FLATTEST, math.cos(math.radians(self.latitude)))
        wide = [(_short(each.longitude - first), each.radius / DEGREE / self._cos) for each in spots]
        west, east = min(x - r for x, r in wide), max(x + r for x, r in wide)
        self.longitude = _short(first + (west + east) / 2)
        # At least as large as a neighbourhood, at most as the world, and a fifth of room on each side.
        tall = max(north - south, (east - west) * self._cos * HEIGHT / WIDTH, closest) * 1.4
        self.down = max(HEIGHT / tall, WIDTH / 360)
        self.across = self.down * self._cos

    def point(self, latitude: float, longitude: float) -> tuple[float, float]:
        """Where it is drawn."""
        x = WIDTH / 2 + _short(longitude - self.longitude) * self.across
        return round(x, 2), round(HEIGHT / 2 - (latitude - self.latitude) * self.down, 2)

    def lands(self) -> list[str]:
        """Transformations of the outlines; those that stand beside the map are left out."""
        top = HEIGHT / 2 + self.latitude * self.down
        found = []
        for turn in (-360, 0, 360):
            left = WIDTH / 2 + (turn - self.longitude) * self.across
            # What lies across the antimeridian is drawn whole, a little beyond it.
            if left - _REACH * self.across < WIDTH and left + _REACH * self.across > 0:
                found.append(f"translate({left:.3f} {top:.3f}) scale({self.across / UNIT:.6f} {self.down / UNIT:.6f})")
        return found

    def scale(self) -> tuple[float, int]:
        """A round number of metres that is about a fifth of the width, and how long it is."""
        most = WIDTH / 4 / self.down * DEGREE
        power = 10 ** math.floor(math.log10(most))
        metres = max(step * power for step in _ROUND if step * power <= most)
        return round(metres / DEGREE * self.down, 1), int(metres)


def _short(degrees: float) -> float:
    """The same angle between -180 and 180."""
    return (degrees + 180) % 360 - 180


def _drawn(each: MapShape, view: _View) -> MapFigure:
    more: dict[str, Any] = {"tone": each.tone, "title": each.title, "href": each.href}
    if each.shape["type"] == "Circle":
        center = each.shape["center"]
        radius = round(max(each.shape["radius"] / DEGREE * view.down, 3.0), 2)
        return MapFigure(*view.point(center["latitude"], center["longitude"]), radius, **more)
    rings = []
    for ring in each.shape["coordinates"]:
        # From point to point the shorter way round the earth, so that a ring across the antimeridian stays whole.
        turned, path = 0.0, []
        before: float | None = None
        for longitude, latitude, *_ in ring:
            turned = longitude if before is None else turned + _short(longitude - before)
            before = longitude
            start = _short(ring[0][0] - view.longitude) - ring[0][0]
            x = WIDTH / 2 + (turned + start) * view.across
            path.append(f"{x:.2f} {HEIGHT / 2 - (latitude - view.latitude) * view.down:.2f}")
        rings.append(f"M{'L'.join(path)}Z")
    return MapFigure(path="".join(rings), **more)
