"""A fence follows its SIM: once for each true crossing, and nothing while nothing is certain."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simwarden.domain.area import Circle, Whereabouts, compare
from simwarden.domain.geofence import Geofence, at_begin
from simwarden.domain.place import Place, PlaceSource

DEGREE = 111_195.0
AREA = Circle(0.0, 180.0, 10_000.0)
"""Over the antimeridian."""
INSIDE, BORDER, OUTSIDE = 0.0, 10_000.0, 30_000.0


def at(metres: float, radius: float = 500.0) -> Place:
    """A place so far east of the middle."""
    longitude = 180.0 + metres / DEGREE
    longitude = longitude - 360.0 if longitude > 180.0 else longitude
    return Place(0.0, longitude, radius, datetime(2026, 11, 22, tzinfo=UTC), PlaceSource.SITE, "1")


def told(fence: Geofence, *metres: float) -> list[bool]:
    found = []
    for each in metres:
        fence, crossed = fence.follow(at(each))
        found.append(crossed)
    return found


@pytest.mark.parametrize(
    ("enters", "crossings"),
    [(True, [False, False, True, False, False, True]), (False, [False, True, False, False, True, False])],
)
def test_only_the_wanted_direction_is_told(enters: bool, crossings: list[bool]) -> None:
    assert told(Geofence(AREA, enters), INSIDE, OUTSIDE, INSIDE, INSIDE, OUTSIDE, INSIDE) == crossings


@pytest.mark.parametrize("enters", [True, False])
def test_the_border_is_neither_inside_nor_outside(enters: bool) -> None:
    start = INSIDE if not enters else OUTSIDE
    assert told(Geofence(AREA, enters), start, BORDER, start, BORDER, BORDER, start) == [False] * 6
    assert told(Geofence(AREA, enters), BORDER, INSIDE, BORDER, OUTSIDE, BORDER, INSIDE) == [
        False,
        False,
        False,
        not enters,
        False,
        enters,
    ]


def test_what_is_unchanged_is_the_same_fence() -> None:
    fence, _ = Geofence(AREA, enters=True).follow(at(INSIDE))
    for metres in (INSIDE, BORDER, 5000.0):
        assert fence.follow(at(metres))[0] is fence


@pytest.mark.parametrize("enters", [True, False])
@pytest.mark.parametrize(
    ("first", "initial_event", "is_so"),
    [
        (INSIDE, True, "enters"),
        (OUTSIDE, True, "leaves"),
        (BORDER, True, None),
        (None, True, None),
        (INSIDE, False, None),
        (OUTSIDE, False, None),
    ],
)
def test_how_it_begins(first: float | None, initial_event: bool, is_so: str | None, enters: bool) -> None:
    fence, told_now = at_begin(
        Geofence(AREA, enters), None if first is None else at(first), initial_event=initial_event
    )
    assert told_now == (is_so == ("enters" if enters else "leaves"))
    here, there = (INSIDE, OUTSIDE) if enters else (OUTSIDE, INSIDE)
    # What was not certain at the beginning is told when it is, where that was asked for.
    later = first in (None, BORDER) and initial_event
    if first in (None, BORDER):
        assert told(fence, BORDER, here, BORDER, here) == [False, later, False, False]
    assert told(fence, there, here) == [False, True]


@given(st.lists(st.floats(-40_000, 40_000), max_size=60), st.floats(0, 3000), st.booleans())
def test_walking_along_the_border_tells_each_true_crossing_once(path: list[float], radius: float, enters: bool) -> None:
    fence = Geofence(AREA, enters)
    certain = [
        where is Whereabouts.INSIDE
        for where in (compare(AREA, at(metres, radius)) for metres in path)
        if where is not Whereabouts.UNKNOWN
    ]
    wanted = sum(after is enters and before is not enters for before, after in itertools.pairwise(certain))
    crossings = 0
    for metres in path:
        fence, crossed = fence.follow(at(metres, radius))
        crossings += crossed
    assert crossings == wanted
