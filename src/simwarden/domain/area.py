"""Areas on earth, and whether a place lies in one. Pure.

Distances are great circles on a sphere of the mean radius (WGS 84 differs by 0.6 % at most), so the antimeridian and
the poles need no care. A polygon is flattened once, around its own middle (`shape`), and remembered.
"""

from __future__ import annotations

import enum
import math
from itertools import pairwise

import msgspec

from simwarden.domain import shape
from simwarden.domain.cell import InvalidCell, parse_cell
from simwarden.domain.errors import InvalidValue
from simwarden.domain.place import Place, PlaceSource
from simwarden.domain.shape import Position, distance

MAX_RADIUS = 200_000
"""Metres: CAMARA's limit of a circle, so that every circle can be shown by its APIs."""
MAX_POINTS = 300
"""Of a polygon with its holes. Whether edges cross is asked of all pairs in the worst case, which takes some 30 ms."""
MAX_EXTENT = 5_000_000
"""Metres from the middle of a polygon to its farthest point: half a continent, and flattened to within 11 %."""
MAX_LIST = 1000
"""Cells, or sites, of one area."""


class Whereabouts(enum.StrEnum):
    """Where a place lies in relation to an area."""

    INSIDE = "INSIDE"
    OUTSIDE = "OUTSIDE"
    UNKNOWN = "UNKNOWN"
    """Its circle overlaps the border, or it is of a kind that the area says nothing about."""


class Circle(msgspec.Struct, frozen=True, tag="circle"):
    """Everything up to `radius` metres from a point."""

    latitude: float
    longitude: float
    radius: float


class Polygon(msgspec.Struct, frozen=True, tag="polygon"):
    """What its outer ring encloses without its holes.

    Like the coordinates of a GeoJSON Polygon (RFC 7946, 3.1.6): closed rings of (longitude, latitude), the outer one
    first, in any direction. An edge is a straight line on a map of longitudes and latitudes, the shorter way round the
    earth: a ring may cross the antimeridian, and go round a pole.
    """

    rings: tuple[tuple[Position, ...], ...]


class Cells(msgspec.Struct, frozen=True, tag="cells"):
    """These cells, by their keys such as `ecgi:26201-0123456`."""

    cells: tuple[str, ...]


class Sites(msgspec.Struct, frozen=True, tag="sites"):
    """The sites of these gateways, by their ids."""

    gateways: tuple[int, ...]


Area = Circle | Polygon | Cells | Sites


class InvalidArea(InvalidValue):
    """This is not an area. The message names the field."""


def compare(area: Area, place: Place, margin: float = 0.0) -> Whereabouts:
    """Whether all of the place's circle, or nothing of it, lies in the area, made wider by `margin` metres."""
    if isinstance(area, Cells | Sites):
        return _listed(area, place)
    inside = depth(area, place) + margin
    if inside >= place.radius:
        return Whereabouts.INSIDE
    return Whereabouts.OUTSIDE if inside <= -place.radius else Whereabouts.UNKNOWN


def depth(area: Circle | Polygon, place: Place) -> float:
    """Metres from the middle of the place to the border of the area; negative outside.

    Outside a polygon, and farther from it than the place's radius, it is a lower bound.
    """
    if isinstance(area, Circle):
        return area.radius - distance(area.latitude, area.longitude, place.latitude, place.longitude)
    return shape.of(area.rings).depth(place.latitude, place.longitude, place.radius)


def share_inside(area: Area, place: Place) -> float:
    """How much of the place's circle lies in the area, 0 to 1; in a list of cells or sites all of it or nothing."""
    where = compare(area, place)
    if where is not Whereabouts.UNKNOWN:
        return 1.0 if where is Whereabouts.INSIDE else 0.0
    if isinstance(area, Cells | Sites):
        return 0.0
    if isinstance(area, Circle):
        apart = distance(area.latitude, area.longitude, place.latitude, place.longitude)
        common = shape.lens(apart, place.radius, area.radius)
    else:
        common = shape.of(area.rings).overlap(place.latitude, place.longitude, place.radius)
    return min(max(common / (math.pi * place.radius**2), 0.0), 1.0)


def around(place: Place, radius: int) -> Circle:
    """The circle around a place; not smaller than the place itself."""
    return Circle(place.latitude, place.longitude, min(max(radius, math.ceil(place.radius)), MAX_RADIUS))


def covering(area: Area) -> Circle | None:
    """A circle that covers the area, with a radius in whole metres of at most MAX_RADIUS; None for lists."""
    match area:
        case Circle():
            return Circle(area.latitude, area.longitude, min(math.ceil(area.radius), MAX_RADIUS))
        case Polygon():
            found = shape.of(area.rings)
            return Circle(*found.middle, min(max(math.ceil(found.extent), 1), MAX_RADIUS))
    return None


def check(area: Area) -> None:
    """Raise InvalidArea, naming the field, for what is no area."""
    match area:
        case Circle():
            _check_latitude(area.latitude, "latitude")
            _check_longitude(area.longitude, "longitude")
            if not 1 <= area.radius <= MAX_RADIUS:  # NaN too
                raise InvalidArea(f"radius: {area.radius:g} is not between 1 and {MAX_RADIUS} metres")
        case Polygon():
            _check_polygon(area)
        case Cells():
            _check_list("cells", area.cells)
            for n, cell in enumerate(area.cells):
                try:
                    parse_cell(cell)
                except InvalidCell as error:
                    raise InvalidArea(f"cells[{n}]: {error.message}") from error
        case Sites():
            _check_list("gateways", area.gateways)


def _listed(area: Cells | Sites, place: Place) -> Whereabouts:
    if isinstance(area, Sites):
        if place.source is not PlaceSource.SITE:
            return Whereabouts.UNKNOWN
        return Whereabouts.INSIDE if place.ref in map(str, area.gateways) else Whereabouts.OUTSIDE
    if place.source is not PlaceSource.CELL:
        return Whereabouts.UNKNOWN
    if place.ref in area.cells:
        return Whereabouts.INSIDE
    kind = place.ref.partition(":")[0]  # a list of LTE cells says nothing about a SIM in a cell of 5G
    known = any(cell.partition(":")[0] == kind for cell in area.cells)
    return Whereabouts.OUTSIDE if known else Whereabouts.UNKNOWN


def _check_polygon(area: Polygon) -> None:
    if not area.rings:
        raise InvalidArea("coordinates: a polygon needs an outer ring")
    points = sum(len(ring) for ring in area.rings)
    if points > MAX_POINTS:
        raise InvalidArea(f"coordinates: {points} points; a polygon has at most {MAX_POINTS}, its holes included")
    for n, ring in enumerate(area.rings):
        for i, (longitude, latitude) in enumerate(ring):
            _check_longitude(longitude, f"coordinates[{n}][{i}][0]")
            if 90 < abs(latitude) <= 180 and abs(longitude) <= 90:
                raise InvalidArea(
                    f"coordinates[{n}][{i}]: the latitude {latitude:g} is not between -90 and 90; "
                    "GeoJSON writes the longitude first"
                )
            _check_latitude(latitude, f"coordinates[{n}][{i}][1]")
        if len(ring) < 4:
            raise InvalidArea(f"coordinates[{n}]: {len(ring)} points; a closed ring has at least 4")
        if ring[0] != ring[-1]:
            raise InvalidArea(f"coordinates[{n}]: the ring is not closed; repeat its first point as the last")
        for i, (one, other) in enumerate(pairwise(ring), 1):
            turn = abs(one[0] - other[0])
            if one[1] == other[1] and turn in (0, 360):
                raise InvalidArea(f"coordinates[{n}][{i}]: the same point twice in a row")
            if turn == 180:
                raise InvalidArea(f"coordinates[{n}][{i}]: half way round the earth in one edge, either way")
    crossing = next(shape.crossings(area.rings), None)
    if crossing is not None:
        (n, i), (m, j) = crossing
        raise InvalidArea(f"coordinates[{n}][{i}]: the edge from here meets the one from coordinates[{m}][{j}]")
    made = shape.of(area.rings)
    if made.extent > MAX_EXTENT:
        raise InvalidArea(f"coordinates: more than {MAX_EXTENT // 1000} km from the middle of the polygon")
    if made.area() < 1:
        raise InvalidArea("coordinates: the polygon has no area; its edges go the shorter way round the earth")
    hole = made.misplaced_hole()
    if hole is not None:
        raise InvalidArea(f"coordinates[{hole}]: this hole is not inside the outer ring, or lies in another hole")


def _check_list(field: str, values: tuple[object, ...]) -> None:
    if not values:
        raise InvalidArea(f"{field}: the list is empty")
    if len(values) > MAX_LIST:
        raise InvalidArea(f"{field}: {len(values)} of at most {MAX_LIST}")


def _check_latitude(value: float, field: str) -> None:
    if not -90 <= value <= 90:  # NaN too
        raise InvalidArea(f"{field}: {value:g} is not between -90 and 90")


def _check_longitude(value: float, field: str) -> None:
    if not -180 <= value <= 180:
        raise InvalidArea(f"{field}: {value:g} is not between -180 and 180")
