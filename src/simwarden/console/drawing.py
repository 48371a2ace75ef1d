"""Maps as SVG, without tiles: where something may be and where it is, with a scale."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec

from simwarden.console import maps

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

WIDTH, HEIGHT = 480, 300
_DEGREE = 111_320.0
"""Metres of a degree of latitude."""
_STEPS = (1, 2, 5)


class Disc(msgspec.Struct, frozen=True):
    """On the drawing, in its units."""

    x: float
    y: float
    r: float


class Map(msgspec.Struct, frozen=True):
    """What a template draws."""

    width: int
    height: int
    area: Disc | None
    outline: str
    """Of an area that is a polygon, as points."""
    place: Disc | None
    latitude: float
    longitude: float
    bar: float
    """Width of the scale's bar,"""
    metres: int
    """and how much that is."""
    ground: maps.Ground
    """What it shows of the earth."""
    inset: str = ""
    """Where on earth this is: see maps.view_box."""


def map_of(area: Mapping[str, Any] | None, place: Mapping[str, Any] | None) -> Map | None:
    """Of an area limit and the place now; None where neither says where on earth."""
    shape = (area or {}).get("shape") or {}
    circle = _circle(shape)
    ring = _ring(shape)
    here = place or (area or {}).get("place")
    spots = [(circle[0], circle[1], circle[2])] if circle else []
    spots += [(latitude, longitude, 0.0) for latitude, longitude in ring]
    if here:
        spots.append((here["latitude"], here["longitude"], min(here["radius"], 50_000.0)))
    if not spots:
        return None
    view = _View(spots)
    latitude, longitude = (here["latitude"], here["longitude"]) if here else spots[0][:2]
    return Map(
        WIDTH,
        HEIGHT,
        view.circle(*circle) if circle else None,
        " ".join(f"{x:.1f},{y:.1f}" for x, y in (view.point(*each) for each in ring)),
        view.circle(here["latitude"], here["longitude"], here["radius"]) if here else None,
        latitude,
        longitude,
        *view.scale(),
        view.ground(),
        inset=maps.view_box(latitude, longitude),
    )


class _View:
    """The smallest part of the earth in which all of the spots are, flat: areas here are small."""

    def __init__(self, spots: Sequence[tuple[float, float, float]]) -> None:
        middle = sum(latitude for latitude, _, _ in spots) / len(spots)
        self._across = _DEGREE * max(0.01, math.cos(math.radians(middle)))
        first = spots[0][1]
        self._first = first
        west, east = _range((self._x(longitude), radius) for _, longitude, radius in spots)
        south, north = _range((latitude * _DEGREE, radius) for latitude, _, radius in spots)
        self._middle = (west + east) / 2, (south + north) / 2
        self._unit = max((east - west) / (WIDTH - 48), (north - south) / (HEIGHT - 64), 0.5)

    def _x(self, longitude: float) -> float:
        """Metres east of the first spot, the short way round."""
        return ((longitude - self._first + 180) % 360 - 180) * self._across

    def point(self, latitude: float, longitude: float) -> tuple[float, float]:
        x = (self._x(longitude) - self._middle[0]) / self._unit + WIDTH / 2
        return x, HEIGHT / 2 - (latitude * _DEGREE - self._middle[1]) / self._unit

    def ground(self) -> maps.Ground:
        """What is seen of the earth."""
        x, y = self._middle
        longitude = (self._first + x / self._across + 180) % 360 - 180
        return maps.Ground(longitude, y / _DEGREE, self._across / self._unit, _DEGREE / self._unit)

    def circle(self, latitude: float, longitude: float, radius: float) -> Disc:
        x, y = self.point(latitude, longitude)
        return Disc(round(x, 1), round(y, 1), round(max(radius / self._unit, 4.0), 1))

    def scale(self) -> tuple[float, int]:
        """A round number of metres that is about a fifth of the width."""
        most = self._unit * WIDTH / 4
        power = 10 ** math.floor(math.log10(most))
        metres = max((step * power for step in _STEPS if step * power <= most), default=power)
        return round(metres / self._unit, 1), int(metres)


def _range(spans: Iterable[tuple[float, float]]) -> tuple[float, float]:
    found = list(spans)
    return min(middle - radius for middle, radius in found), max(middle + radius for middle, radius in found)


def _circle(shape: Mapping[str, Any]) -> tuple[float, float, float] | None:
    centre = shape.get("center")
    if not centre or "radius" not in shape:
        return None
    return centre["latitude"], centre["longitude"], float(shape["radius"])


def _ring(shape: Mapping[str, Any]) -> list[tuple[float, float]]:
    """Latitude and longitude of the points of a polygon's outer ring."""
    rings = shape.get("coordinates") or [[]]
    return [(float(each[1]), float(each[0])) for each in rings[0]]
