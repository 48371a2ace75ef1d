"""Plane geometry for areas on earth: distances, polygons, and what circles have in common with them. Pure."""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

EARTH = 6_371_008.8
"""Mean radius in metres (IUGG)."""
STEP = 0.25
"""Degrees in which a long edge is cut: a piece along a parallel is then at most 8 m off its great circle."""
MAX_PIECES = 2000
"""Pieces of all edges together; a larger polygon is cut more coarsely."""
REMEMBERED = 1024
"""Polygons that a process keeps flattened."""

Position = tuple[float, float]
"""Longitude and latitude in degrees, in GeoJSON's order."""
Rings = tuple[tuple[Position, ...], ...]
_Corner = tuple[int, int]
"""Ring, and number of a point in it."""
_Edge = tuple[float, float, float, float, _Corner]


def distance(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float:
    """Metres along the great circle between two points (haversine)."""
    north, other_north = math.radians(latitude), math.radians(other_latitude)
    east = math.sin(math.radians(other_longitude - longitude) / 2)
    up = math.sin((other_north - north) / 2)
    h = up * up + math.cos(north) * math.cos(other_north) * east * east
    return 2 * EARTH * math.asin(min(1.0, math.sqrt(h)))


def lens(apart: float, radius: float, other: float) -> float:
    """What two circles have in common, in the square of their unit, where their centres are `apart`."""
    if apart >= radius + other:
        return 0.0
    if apart <= abs(radius - other):
        return math.pi * min(radius, other) ** 2
    one = radius**2 * math.acos((apart**2 + radius**2 - other**2) / (2 * apart * radius))
    two = other**2 * math.acos((apart**2 + other**2 - radius**2) / (2 * apart * other))
    kite = (-apart + radius + other) * (apart + radius - other) * (apart - radius + other) * (apart + radius + other)
    return one + two - math.sqrt(max(kite, 0.0)) / 2


@lru_cache(maxsize=REMEMBERED)
def of(rings: Rings) -> FlatPolygon:
    """A polygon, flattened."""
    return FlatPolygon(rings)


class FlatPolygon:
    """A polygon on a plane: azimuthal equidistant around its own middle, in metres.

    Distances from the middle are true, those across grow by c/sin(c) at the angle c from it: 0.4 % at 1000 km, 11 % at
    5000 km.
    """

    def __init__(self, rings: Rings) -> None:
        pieces = [_cut(ring, _step(rings)) for ring in rings]
        x, y, z = (math.fsum(values) for values in zip(*map(_vector, pieces[0][1:]), strict=True))
        self.middle: Position = (math.degrees(math.atan2(z, math.hypot(x, y))), math.degrees(math.atan2(y, x)))
        """Latitude and longitude."""
        self._rings = [[self._flat(latitude, longitude) for longitude, latitude in ring] for ring in pieces]
        self.extent = max(math.hypot(x, y) for x, y in self._rings[0])
        """Metres from the middle to the farthest point."""
        self._edges = [
            (x1, y1, y2, x2 - x1, y2 - y1, 1 / ((x2 - x1) ** 2 + (y2 - y1) ** 2))
            for ring in self._rings
            for (x1, y1), (x2, y2) in pairwise(ring)
            if (x1, y1) != (x2, y2)
        ]

    def depth(self, latitude: float, longitude: float, near: float) -> float:
        """Metres from a point to the border, negative outside. Farther away than `near` it may be less than it is."""
        px, py = self._flat(latitude, longitude)
        beyond = math.hypot(px, py) - self.extent
        if beyond > near:
            return -beyond
        inside, best = False, math.inf
        for x1, y1, y2, dx, dy, inverse in self._edges:
            ax, ay = px - x1, py - y1
            if (y1 > py) != (y2 > py) and ax < dx * ay / dy:
                inside = not inside
            along = (ax * dx + ay * dy) * inverse
            along = 0.0 if along < 0.0 else min(along, 1.0)
            bx, by = ax - along * dx, ay - along * dy
            square = bx * bx + by * by
            if square < best:
                best = square
        away = math.sqrt(best)
        return away if inside else -away

    def overlap(self, latitude: float, longitude: float, radius: float) -> float:
        """Square metres that a circle has in common with the polygon."""
        px, py = self._flat(latitude, longitude)
        outer, *holes = (abs(_common(ring, px, py, radius)) for ring in self._rings)
        return max(outer - math.fsum(holes), 0.0)

    def misplaced_hole(self) -> int | None:
        """The first hole that is not inside the outer ring, or is inside another hole; their edges do not cross."""
        outer, *holes = self._rings
        for n, hole in enumerate(holes, 1):
            if not _encloses(outer, hole[0]) or any(other is not hole and _encloses(other, hole[0]) for other in holes):
                return n
        return None

    def area(self) -> float:
        """Square metres of the outer ring."""
        return abs(math.fsum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in pairwise(self._rings[0]))) / 2

    def _flat(self, latitude: float, longitude: float) -> tuple[float, float]:
        """East and north of the middle."""
        here, north = math.radians(self.middle[0]), math.radians(latitude)
        east = math.radians(longitude - self.middle[1])
        x = math.cos(north) * math.sin(east)
        y = math.cos(here) * math.sin(north) - math.sin(here) * math.cos(north) * math.cos(east)
        z = math.sin(here) * math.sin(north) + math.cos(here) * math.cos(north) * math.cos(east)
        across = math.hypot(x, y)
        scale = EARTH * math.atan2(across, z) / across if across else 0.0
        return x * scale, y * scale


def crossings(rings: Rings) -> Iterator[tuple[_Corner, _Corner]]:
    """Pairs of edges that meet elsewhere than where one follows the other, by the points where they begin."""
    edges = sorted(_edges(rings), key=lambda edge: min(edge[1], edge[3]))
    boxed = [(edge, min(edge[0], edge[2]), max(edge[0], edge[2]), max(edge[1], edge[3])) for edge in edges]
    is_narrow = max(east for _, _, east, _ in boxed) - min(west for _, west, _, _ in boxed) < 180
    reached: list[tuple[_Edge, float, float, float]] = []
    for edge, west, east, north in boxed:
        south = min(edge[1], edge[3])
        reached = [each for each in reached if each[3] >= south]
        size = len(rings[edge[4][0]]) - 1
        for other, other_west, other_east, _ in reached:
            if is_narrow and (east < other_west or other_east < west):
                continue
            if _meet(edge, other, size):
                yield min(edge[4], other[4]), max(edge[4], other[4])
        reached.append((edge, west, east, north))


def _edges(rings: Rings) -> Iterator[_Edge]:
    for n, ring in enumerate(rings):
        for i, ((x, y), (next_x, next_y)) in enumerate(pairwise(ring)):
            yield x, y, x + _turn(next_x - x), next_y, (n, i)


def _turn(degrees: float) -> float:
    """The same turn the shorter way round, -180 to 180."""
    return math.remainder(degrees, 360)


def _meet(one: _Edge, other: _Edge, size: int) -> bool:
    """Whether two edges meet; of two in a row, whether they lie on each other. `size`: edges of the first's ring."""
    ax, ay, bx, by, (n, i) = one
    cx, cy, dx, dy, (m, j) = other
    shift = 360 * round((ax + bx - cx - dx) / 720)
    cx, dx = cx + shift, dx + shift
    if max(ax, bx) < min(cx, dx) or max(cx, dx) < min(ax, bx):
        return False
    if n == m and (i - j) % size in (1, size - 1):
        cross = (bx - ax) * (dy - cy) - (by - ay) * (dx - cx)
        return cross == 0 and (bx - ax) * (dx - cx) + (by - ay) * (dy - cy) < 0
    a, b = _side(cx, cy, dx, dy, ax, ay), _side(cx, cy, dx, dy, bx, by)
    c, d = _side(ax, ay, bx, by, cx, cy), _side(ax, ay, bx, by, dx, dy)
    if a == b == c == d == 0:
        return min(ay, by) <= max(cy, dy) and min(cy, dy) <= max(ay, by)  # on one line, and their longitudes overlap
    return a * b <= 0 and c * d <= 0


def _side(x1: float, y1: float, x2: float, y2: float, px: float, py: float) -> int:
    turn = (x2 - x1) * (py - y1) - (y2 - y1) * (px - x1)
    return (turn > 0) - (turn < 0)


def _step(rings: Rings) -> float:
    around = sum(max(abs(_turn(c - a)), abs(d - b)) for ring in rings for (a, b), (c, d) in pairwise(ring))
    return max(STEP, around / MAX_PIECES)


def _cut(ring: Sequence[Position], step: float) -> list[Position]:
    """The ring with more points, as its edges are straight in degrees and not on the plane."""
    points = [ring[0]]
    for (x1, y1), (x2, y2) in pairwise(ring):
        dx, dy = _turn(x2 - x1), y2 - y1
        count = max(1, math.ceil(max(abs(dx), abs(dy)) / step))
        points += [(x1 + dx * k / count, y1 + dy * k / count) for k in range(1, count)]
        points.append((x2, y2))
    return points


def _vector(position: Position) -> tuple[float, float, float]:
    longitude, latitude = math.radians(position[0]), math.radians(position[1])
    across = math.cos(latitude)
    return across * math.cos(longitude), across * math.sin(longitude), math.sin(latitude)


def _encloses(ring: Sequence[tuple[float, float]], point: tuple[float, float]) -> bool:
    px, py = point
    inside = False
    for (x1, y1), (x2, y2) in pairwise(ring):
        if (y1 > py) != (y2 > py) and px - x1 < (x2 - x1) * (py - y1) / (y2 - y1):
            inside = not inside
    return inside


def _common(ring: Sequence[tuple[float, float]], px: float, py: float, radius: float) -> float:
    """Signed area that a ring has in common with the circle around (px, py): triangles and sectors of its edges."""
    total = 0.0
    half = radius * radius / 2
    for (x1, y1), (x2, y2) in pairwise(ring):
        ax, ay, bx, by = x1 - px, y1 - py, x2 - px, y2 - py
        dx, dy = bx - ax, by - ay
        length = dx * dx + dy * dy
        if not length:
            continue
        middle = (dx * ax + dy * ay) / length
        root = middle * middle - (ax * ax + ay * ay - radius * radius) / length
        if root > 0:
            root = math.sqrt(root)
            enter, leave = max(0.0, -middle - root), min(1.0, -middle + root)
            if enter < leave:
                ux, uy, vx, vy = ax + dx * enter, ay + dy * enter, ax + dx * leave, ay + dy * leave
                total += _angle(ax, ay, ux, uy) * half + (ux * vy - uy * vx) / 2 + _angle(vx, vy, bx, by) * half
                continue
        total += _angle(ax, ay, bx, by) * half
    return total


def _angle(ax: float, ay: float, bx: float, by: float) -> float:
    return math.atan2(ax * by - ay * bx, ax * bx + ay * by)
