"""Hexagons that the earth is covered with (H3), for what happens where no site is: SIMs in cells. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

RESOLUTION = 6
"""Hexagons of 36 square kilometres on average, 3.7 km an edge."""
_NAME = "h3:"
"""Before the index of a hexagon where a place is named that may be something else."""


class Surroundings(NamedTuple):
    """Degrees between which a hexagon lies."""

    south: float
    north: float
    west: float
    east: float


def hexagon_of(latitude: float, longitude: float) -> str:
    """The name of the hexagon that a point is in."""
    return _NAME + str(_library().latlng_to_cell(latitude, longitude, RESOLUTION))


def index_of(name: str) -> str | None:
    """The index of a hexagon, of its name; None: this names none."""
    return name.removeprefix(_NAME) if name.startswith(_NAME) else None


def centre_of(name: str) -> tuple[float, float]:
    """Latitude and longitude of a hexagon's centre."""
    latitude, longitude = _library().cell_to_latlng(name.removeprefix(_NAME))
    return latitude, longitude


def box_of(name: str) -> Surroundings:
    """Around a hexagon. One that a pole or the date line lies in is taken for as wide as the earth."""
    corners = _library().cell_to_boundary(name.removeprefix(_NAME))
    latitudes, longitudes = [latitude for latitude, _ in corners], [longitude for _, longitude in corners]
    south, north, west, east = min(latitudes), max(latitudes), min(longitudes), max(longitudes)
    if east - west < 180:
        return Surroundings(south, north, west, east)
    return Surroundings(-90.0 if south < -89 else south, 90.0 if north > 89 else north, -180.0, 180.0)


def _library() -> Any:
    """Loaded when the first SIM in a cell shows a sign: most installations have none."""
    import h3

    return h3
