"""Which of several things that say where a SIM is counts, and which circles are refused."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest

from simwarden.domain.locating import InvalidSite, Traces, checked_site
from simwarden.domain.place import Place, PlaceSource

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def place(source: PlaceSource, minutes: float = 0) -> Place:
    return Place(52.5, 13.4, 500.0, NOON + minutes * MINUTE, source, "1")


SITE, ADDRESS = place(PlaceSource.SITE), place(PlaceSource.ADDRESS)


def test_nothing_known_is_no_place() -> None:
    assert Traces().place() is None


def test_what_alone_is_known_counts() -> None:
    cell = place(PlaceSource.CELL)
    assert Traces(site=SITE).place() == SITE
    assert Traces(cell=cell).place() == cell
    assert Traces(address=ADDRESS).place() == ADDRESS


def test_what_was_seen_counts_before_what_was_declared() -> None:
    old = place(PlaceSource.CELL, -1000)
    assert Traces(cell=old, address=ADDRESS).place() == old
    assert Traces(site=SITE, address=ADDRESS).place() == SITE


@pytest.mark.parametrize(
    ("shown_within", "cell_at", "source"),
    [
        (None, 1, PlaceSource.CELL),
        (None, 0, PlaceSource.SITE),
        (None, -1, PlaceSource.SITE),
        (3 * MINUTE, 2, PlaceSource.SITE),
        (3 * MINUTE, 3, PlaceSource.SITE),
        (3 * MINUTE, 4, PlaceSource.CELL),
    ],
)
def test_a_gateway_that_shows_the_sim_and_reports_counts_before_a_cell(
    shown_within: timedelta | None, cell_at: float, source: PlaceSource
) -> None:
    found = Traces(site=SITE, shown_within=shown_within, cell=place(PlaceSource.CELL, cell_at)).place()
    assert found is not None
    assert found.source is source


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ((math.nan, 13.4, 1), "latitude: a number"),
        ((52.5, math.inf, 1), "longitude: a number"),
        ((52.5, 13.4, math.nan), "radius: a number"),
        ((90.1, 180, 1), "latitude: 90.1 is not between"),
        ((121.47, 31.23, 1), "look swapped"),
        ((-90.1, -180.1, 1), "latitude"),
        ((0, 180.1, 1), "longitude: 180.1"),
        ((0, 0, 1), "missing"),
        ((52.5, 13.4, 0), "radius: 0 "),
        ((52.5, 13.4, -1), "radius"),
        ((52.5, 13.4, 100_001), "radius"),
    ],
)
def test_what_is_no_circle_on_earth_is_refused_by_its_field(values: tuple[float, float, float], reason: str) -> None:
    with pytest.raises(InvalidSite, match=reason):
        checked_site(*values)


@pytest.mark.parametrize("values", [(90, 180, 0.1), (-90, -180, 100_000), (0, 1, 1)])
def test_the_edges_are_on_earth(values: tuple[float, float, float]) -> None:
    assert checked_site(*values).latitude == values[0]
