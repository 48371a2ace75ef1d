"""Places where more SIMs show signs of fraud than chance explains, against values that were worked out by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import exp

import pytest

from simwarden.domain.hotspot import (
    Counted,
    Hotspot,
    Window,
    count,
    follow,
    is_hot,
    tail,
    usual_rate,
)

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("mean", "k", "chance", "most_places"),
    [
        (1.0, 5, 3.7e-3, 0),
        (1.0, 8, 1.0e-5, 97),
        (0.05, 3, 2.0e-5, 49),
        (5.0, 12, 5.5e-3, 0),
        (5.0, 17, 2.0e-5, 50),
    ],
)
def test_worked_values(mean: float, k: int, chance: float, most_places: int) -> None:
    found = tail(k, mean)
    assert found == pytest.approx(chance, rel=0.03)
    seen = Counted(1000, k, mean, found)
    assert is_hot(seen, most_places) is (most_places > 0)
    assert is_hot(seen, most_places + 1) is False


def test_the_tail_is_that_of_poisson() -> None:
    assert tail(0, 3.0) == 1.0
    assert tail(1, 0.0) == 0.0
    assert tail(1, 0.7) == pytest.approx(1 - exp(-0.7))
    assert tail(2, 0.7) == pytest.approx(1 - exp(-0.7) * 1.7)
    assert tail(1, 1e-9) == pytest.approx(1e-9)
    assert tail(900, 1000.0) == pytest.approx(1.0, abs=1e-3)
    assert 0 < tail(150, 1.0) < 1e-260
    assert tail(100_000, 1.0) == 0.0


def test_two_sims_are_no_hotspot_and_who_left_was_there() -> None:
    assert not is_hot(Counted(2, 2, 1e-9, 1e-18), 1)
    assert count(1, 3, 0.01) == Counted(3, 3, 0.03, tail(3, 0.03))
    assert count(40, 3, 0.01).expected == pytest.approx(0.4)


def test_what_is_usual_counts_each_window_and_is_never_nothing() -> None:
    assert usual_rate(0, 1000, Window.DAY) == usual_rate(0, 0, Window.HOUR) == 1e-4
    assert usual_rate(30_000, 1000, Window.DAY) == pytest.approx(1.0)
    assert usual_rate(720, 1000, Window.HOUR) == pytest.approx(1e-3)


def test_a_hotspot_begins_goes_on_and_cools_after_two_calm_windows() -> None:
    hot, warm, calm = (Counted(50, k, 1.0, tail(k, 1.0)) for k in (9, 5, 1))
    spot = follow(None, "x", Window.HOUR, warm, 10, NOW)
    assert spot is None
    spot = follow(None, "x", Window.HOUR, hot, 10, NOW)
    assert spot == Hotspot(place="x", window=Window.HOUR, since=NOW, counted=hot, at=NOW)

    def after(minutes: int, seen: Counted) -> Hotspot:
        nonlocal spot
        spot = follow(spot, "x", Window.HOUR, seen, 10, NOW + timedelta(minutes=minutes))
        assert spot is not None
        return spot

    assert after(10, warm).counted == hot, "what it was when it was hot"
    assert after(20, calm).calm_since == NOW + timedelta(minutes=20)
    assert after(130, calm).ended_at is None
    assert after(135, warm).calm_since is None, "it begins anew"
    assert after(140, calm).ended_at is None
    assert after(259, calm).ended_at is None
    assert after(260, calm).ended_at == NOW + timedelta(minutes=260)
    assert follow(spot, "x", Window.HOUR, calm, 10, NOW + timedelta(minutes=300)) is None
    again = follow(spot, "x", Window.HOUR, hot, 10, NOW + timedelta(minutes=300))
    assert again is not None
    assert (again.since, again.ended_at) == (NOW + timedelta(minutes=300), None)
