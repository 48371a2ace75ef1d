"""Areas: what is one, and whether a place lies in it, at the poles and the antimeridian too."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simwarden.domain import area as areas
from simwarden.domain.area import (
    MAX_POINTS,
    Area,
    Cells,
    Circle,
    InvalidArea,
    Polygon,
    Sites,
    Whereabouts,
    around,
    check,
    compare,
    covering,
    depth,
    share_inside,
)
from simwarden.domain.place import Place, PlaceSource
from simwarden.domain.shape import EARTH, distance, lens

NOW = datetime(2026, 3, 1, tzinfo=UTC)
IN, OUT, UNKNOWN = Whereabouts.INSIDE, Whereabouts.OUTSIDE, Whereabouts.UNKNOWN
DEGREE = math.radians(1) * EARTH


def at(
    latitude: float, longitude: float, radius: float = 0, source: PlaceSource = PlaceSource.SITE, ref: str = "1"
) -> Place:
    return Place(latitude, longitude, radius, NOW, source, ref)


def east(latitude: float, longitude: float, metres: float, bearing: float = 90) -> tuple[float, float]:
    """Latitude and longitude of the point so far away in that direction."""
    north, turn, far = math.radians(latitude), math.radians(bearing), metres / EARTH
    there = math.asin(math.sin(north) * math.cos(far) + math.cos(north) * math.sin(far) * math.cos(turn))
    along = math.atan2(
        math.sin(turn) * math.sin(far) * math.cos(north), math.cos(far) - math.sin(north) * math.sin(there)
    )
    return math.degrees(there), math.remainder(longitude + math.degrees(along), 360)


def box(west: float, south: float, right: float, north: float) -> tuple[tuple[float, float], ...]:
    return ((west, south), (right, south), (right, north), (west, north), (west, south))


TOWN = Polygon((box(9.0, 52.0, 9.2, 52.1),))
RING_OF_LAND = Polygon((box(9.0, 52.0, 9.2, 52.1), box(9.05, 52.03, 9.1, 52.06)))


@pytest.mark.parametrize(
    ("away", "radius", "where"),
    [(0, 100, IN), (899, 100, IN), (901, 100, UNKNOWN), (1099, 100, UNKNOWN), (1101, 100, OUT), (0, 1001, UNKNOWN)],
)
@pytest.mark.parametrize(
    "centre", [(52.5, 13.4), (0, 179.9999), (90, 0), (-90, 77), (89.999, 10), (-16.5, -180)], ids=str
)
def test_a_circle_that_overlaps_the_border_is_unknown(
    centre: tuple[float, float], away: float, radius: float, where: Whereabouts
) -> None:
    for bearing in (0, 90, 180, 270):
        point = east(*centre, away, bearing)
        assert compare(Circle(*centre, 1000), at(*point, radius)) is where


def test_two_equal_circles_a_radius_apart_have_39_percent_in_common() -> None:
    circle = Circle(52.5, 13.4, 1000)
    assert round(100 * share_inside(circle, at(*east(52.5, 13.4, 1000), 1000))) == 39
    assert share_inside(circle, at(52.5, 13.4, 2000)) == pytest.approx(0.25)
    assert share_inside(circle, at(52.5, 13.4, 0)) == 1
    assert share_inside(circle, at(*east(52.5, 13.4, 2001), 1000)) == 0
    assert lens(0, 5, 5) == pytest.approx(math.pi * 25)


@pytest.mark.parametrize(
    ("point", "radius", "where"),
    [
        ((52.05, 9.1), 100, IN),
        ((52.05, 9.1), 20_000, UNKNOWN),
        ((52.0995, 9.1), 100, UNKNOWN),
        ((52.2, 9.1), 100, OUT),
        ((52.05, 9.3), 0, OUT),
        ((-52.05, -170.9), 100, OUT),
    ],
)
def test_a_polygon(point: tuple[float, float], radius: float, where: Whereabouts) -> None:
    assert compare(TOWN, at(*point, radius)) is where


def test_a_hole_is_outside() -> None:
    assert compare(RING_OF_LAND, at(52.045, 9.075, 500)) is OUT
    assert compare(RING_OF_LAND, at(52.045, 9.02, 500)) is IN
    assert compare(RING_OF_LAND, at(52.045, 9.05, 500)) is UNKNOWN
    assert share_inside(RING_OF_LAND, at(52.045, 9.05, 500)) == pytest.approx(0.5, abs=0.01)


def test_the_depth_in_a_polygon_is_the_distance_to_its_nearest_edge() -> None:
    assert depth(TOWN, at(52.05, 9.1)) == pytest.approx(0.05 * DEGREE, rel=1e-3)
    assert depth(TOWN, at(52.101, 9.1, 1000)) == pytest.approx(-0.001 * DEGREE, abs=8)  # see shape.STEP
    assert depth(TOWN, at(52.05, 9.2001, 1000)) == pytest.approx(-distance(52.05, 9.2, 52.05, 9.2001), rel=1e-3)


@pytest.mark.parametrize(
    ("ring", "inside", "outside"),
    [
        (box(179, -1, -179, 1), [(0, 180), (0, -179.5), (0.9, 179.1)], [(0, 178.9), (0, -178.9), (0, 0), (1.1, 180)]),
        (
            ((0, 80), (90, 80), (-180, 80), (-90, 80), (0, 80)),
            [(90, 0), (81, 45), (80.01, -135)],
            [(79.9, 45), (79.9, 0), (-90, 0), (0, 0)],
        ),
        (
            ((0, -70), (-120, -75), (120, -80), (0, -70)),
            [(-90, 0), (-89, 100), (-81, 120)],
            [(-69, 0), (-72.4, -60), (0, 0), (90, 0)],
        ),
        (box(-125, 49, -95, 50), [(49.01, -110), (49.99, -110)], [(48.99, -110), (50.01, -110)]),
    ],
    ids=["antimeridian", "north pole", "south pole", "along a parallel"],
)
def test_polygons_over_the_antimeridian_around_poles_and_along_parallels(
    ring: tuple[tuple[float, float], ...], inside: list[tuple[float, float]], outside: list[tuple[float, float]]
) -> None:
    polygon = Polygon((ring,))
    check(polygon)
    assert [compare(polygon, at(*point)) for point in inside] == [IN] * len(inside)
    assert [compare(polygon, at(*point)) for point in outside] == [OUT] * len(outside)
    turned = Polygon((ring[::-1],))
    assert [compare(turned, at(*point)) for point in inside + outside] == [IN] * len(inside) + [OUT] * len(outside)


def test_lists_say_nothing_about_places_of_another_kind() -> None:
    cells = Cells(("ecgi:26201-0000001", "ecgi:26201-0000002"))
    cell = PlaceSource.CELL
    assert compare(cells, at(0, 0, 500, cell, "ecgi:26201-0000002")) is IN
    assert compare(cells, at(0, 0, 500, cell, "ecgi:26201-0000003")) is OUT
    assert compare(cells, at(0, 0, 500, cell, "ncgi:26201-000000001")) is UNKNOWN
    assert compare(cells, at(0, 0, 500, PlaceSource.SITE, "1")) is UNKNOWN
    sites = Sites((3, 4))
    assert compare(sites, at(0, 0, 500, PlaceSource.SITE, "4")) is IN
    assert compare(sites, at(0, 0, 500, PlaceSource.SITE, "5")) is OUT
    assert compare(sites, at(0, 0, 500, PlaceSource.ADDRESS, "")) is UNKNOWN
    assert [share_inside(sites, at(0, 0, 5, PlaceSource.SITE, ref)) for ref in ("4", "5")] == [1, 0]
    assert share_inside(cells, at(0, 0, 5)) == 0
    for each in (cells, sites, TOWN, Circle(1, 2, 3)):
        check(each)


def test_a_margin_makes_an_area_wider() -> None:
    circle, place = Circle(52.5, 13.4, 1000), at(*east(52.5, 13.4, 1030), 10)
    assert (compare(circle, place), compare(circle, place, 41), compare(circle, place, 30)) == (OUT, IN, UNKNOWN)


NAN = float("nan")
BOW_TIE = ((9.0, 52.0), (9.2, 52.1), (9.2, 52.0), (9.0, 52.1), (9.0, 52.0))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (Circle(91, 0, 10), "latitude: 91"),
        (Circle(NAN, 0, 10), "latitude: nan"),
        (Circle(0, 181, 10), "longitude: 181"),
        (Circle(0, float("inf"), 10), "longitude: inf"),
        (Circle(0, 0, 0), "radius: 0"),
        (Circle(0, 0, -5), "radius: -5"),
        (Circle(0, 0, NAN), "radius: nan"),
        (Circle(0, 0, 200_001), "radius: 200001"),
        (Polygon(()), "coordinates: a polygon needs"),
        (Polygon(((),)), "coordinates[0]: 0 points"),
        (Polygon((((0, 0), (1, 1), (0, 0)),)), "coordinates[0]: 3 points"),
        (Polygon((box(0, 0, 1, 1)[:-1],)), "coordinates[0]: the ring is not closed"),
        (Polygon((((0, 0), (0, 0), (1, 1), (1, 0), (0, 0)),)), "coordinates[0][1]: the same point"),
        (Polygon((BOW_TIE,)), "coordinates[0][0]: the edge from here meets the one from coordinates[0][2]"),
        (Polygon((((0, 0), (2, 0), (1, 0), (1, 1), (0, 0)),)), "coordinates[0][0]: the edge"),
        (Polygon((((0, 0), (1, 0), (2, 0), (0, 0)),)), "coordinates[0]"),
        (Polygon((((52.0, 116.0), (52.1, 116.0), (52.1, 116.1), (52.0, 116.0)),)), "the longitude first"),
        (Polygon((((0, 0), (1, 0), (1, NAN), (0, 0)),)), "coordinates[0][2][1]: nan"),
        (Polygon((((0, 0), (NAN, 0), (1, 1), (0, 0)),)), "coordinates[0][1][0]: nan"),
        (Polygon((((0, 0), (180, 1), (1, 1), (0, 0)),)), "coordinates[0][1]: half way round"),
        (Polygon((box(-80, -70, 80, 70),)), "coordinates: more than 5000 km"),
        (Polygon((box(-180, -90, 180, -60),)), "coordinates[0]"),
        (Polygon((box(0, 0, 1, 1), box(2, 2, 3, 3))), "coordinates[1]: this hole is not inside"),
        (Polygon((box(0, 0, 1, 1), box(0.5, 0.5, 2, 2))), "meets the one from"),
        (Polygon((box(0, 0, 9, 9), box(1, 1, 4, 4), box(2, 2, 3, 3))), "coordinates[2]: this hole"),
        (Polygon((((0.0, 0.0), *((n / 1e5, n * n / 1e9) for n in range(1, 10_000)), (0.0, 0.0)),)), "10001 points"),
        (Cells(()), "cells: the list is empty"),
        (Cells(("26201",)), "cells[0]"),
        (Cells(("ecgi:26201-0000001", "ecgi:" + "9" * 60)), "cells[1]"),
        (Cells(tuple(f"ecgi:26201-{n:07x}" for n in range(1001))), "cells: 1001 of at most 1000"),
        (Sites(()), "gateways: the list is empty"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_no_area_is_refused_naming_the_field(wrong: Area, says: str) -> None:
    with pytest.raises(InvalidArea) as refused:
        check(wrong)
    assert says in refused.value.message
    assert (refused.value.status, refused.value.code) == (400, "INVALID_ARGUMENT")


def star(points: int, latitude: float, longitude: float, size: float) -> Polygon:
    """A star of so many points around a middle, its corners alternately near and far."""
    corners = [east(latitude, longitude, size * (1 if n % 2 else 0.4), 360 * n / points)[::-1] for n in range(points)]
    return Polygon(((*corners, corners[0]),))


MIDDLES: Any = st.tuples(st.floats(-90, 90), st.floats(-180, 180))


@given(MIDDLES, st.integers(2, MAX_POINTS // 2 - 1), st.floats(100, 300_000), st.floats(0, 2), st.floats(0, 360))
def test_a_star_is_the_same_anywhere_on_earth(
    middle: tuple[float, float], half: int, size: float, away: float, bearing: float
) -> None:
    """Wherever it lies, so far from the middle in units of its size a place is as far in it as at the equator."""
    if 90 - abs(middle[0]) < 1e-3 and 90 - abs(middle[0]) > 0:
        return  # a corner may come to lie on the antimeridian side of the pole by rounding alone
    here, there = star(2 * half, *middle, size), star(2 * half, 0, 0, size)
    one = compare(here, at(*east(*middle, size * away, bearing), size / 50))
    other = compare(there, at(*east(0, 0, size * away, bearing), size / 50))
    deep = depth(there, at(*east(0, 0, size * away, bearing), size))
    if abs(abs(deep) - size / 50) > size * 0.015 + 500:
        assert one is other


@given(MIDDLES, st.floats(1, 200_000), st.floats(0, 3), st.floats(0, 360), st.floats(1, 200_000))
def test_the_share_goes_with_the_verdict(
    middle: tuple[float, float], size: float, away: float, bearing: float, radius: float
) -> None:
    place = at(*east(*middle, size * away, bearing), radius)
    circle = Circle(*middle, size)
    share, where = share_inside(circle, place), compare(circle, place)
    assert {IN: share == 1, OUT: share == 0, UNKNOWN: 0 <= share <= 1}[where]


@given(st.floats(0, 1.5), st.floats(0, 360), st.floats(0.05, 1.5))
def test_a_polygon_of_many_corners_shares_as_much_as_its_circle(away: float, bearing: float, radius: float) -> None:
    corners = [east(52.5, 13.4, 1000, 2 * n)[::-1] for n in range(180)]
    place = at(*east(52.5, 13.4, 1000 * away, bearing), 1000 * radius)
    drawn = share_inside(Polygon(((*corners, corners[0]),)), place)
    assert drawn == pytest.approx(share_inside(Circle(52.5, 13.4, 1000), place), abs=0.01)


def test_the_circle_around_a_place_is_not_smaller_than_the_place() -> None:
    assert around(at(1, 2, 10), 5000) == Circle(1, 2, 5000)
    assert around(at(1, 2, 6000.5), 5000) == Circle(1, 2, 6001)
    assert around(at(1, 2, 900_000), 5000) == Circle(1, 2, areas.MAX_RADIUS)


def test_the_covering_circle_covers() -> None:
    assert covering(Circle(1, 2, 3.2)) == Circle(1, 2, 4)
    assert covering(Sites((1,))) is None
    found = covering(TOWN)
    assert found is not None
    assert all(compare(found, at(latitude, longitude, 0), 1) is IN for longitude, latitude in TOWN.rings[0])
    assert found.radius < 10_000
    huge = covering(Polygon((box(0, 40, 20, 60),)))
    assert huge is not None
    assert huge.radius == areas.MAX_RADIUS
