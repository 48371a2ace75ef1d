"""The formulas of the hotzone check against values that were worked out by hand."""

from __future__ import annotations

from datetime import date, timedelta
from statistics import fmean, pstdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simwarden.domain.outliers import (
    DEFAULT_THRESHOLD,
    Baseline,
    Method,
    Risk,
    baseline_of,
    counts_of,
    find,
    outliers,
)

FIRST = date(2026, 11, 1)
WEEK = [1, 1, 1, 1, 1, 6, 6]
RATIO, ZSCORE, EWMA = Method.RATIO, Method.ZSCORE, Method.EWMA


@pytest.mark.parametrize(
    ("baseline", "counts", "days", "risk"),
    [
        pytest.param([0] * 28, [0, 0, 0, 0, 4, 0, 0], {RATIO: [5], ZSCORE: [5], EWMA: []}, Risk.HIGH, id="quiet"),
        pytest.param([2] * 28, [2, 2, 5, 2, 2, 2, 2], {RATIO: [3], ZSCORE: [], EWMA: []}, Risk.MEDIUM, id="steady"),
        pytest.param(WEEK * 4, WEEK, {RATIO: [6, 7], ZSCORE: [], EWMA: []}, Risk.MEDIUM, id="weekly wave"),
        pytest.param(
            [1] * 28,
            [2, 2, 3, 3, 4, 4, 5],
            {RATIO: [3, 4, 5, 6, 7], ZSCORE: [5, 6, 7], EWMA: [4, 5, 6, 7]},
            Risk.HIGH,
            id="slow creep",
        ),
        pytest.param([0] * 28, [0, 0, 1, 0, 0, 0, 0], {RATIO: [], ZSCORE: [], EWMA: []}, Risk.LOW, id="one call"),
        pytest.param([2] * 28, [2, 1, 0, 2, 2, 0, 0], {RATIO: [], ZSCORE: [], EWMA: []}, None, id="never more"),
    ],
)
def test_worked_values(
    baseline: list[int], counts: list[int], days: dict[Method, list[int]], risk: Risk | None
) -> None:
    usual = baseline_of(baseline, len(baseline))
    for method, expected in days.items():
        found = find(FIRST, counts, usual, method, DEFAULT_THRESHOLD[method])
        days_found = tuple(FIRST + timedelta(days=day - 1) for day in expected)
        assert (found.days, found.risk) == (days_found, risk), method
        assert len(found.risks) == len(counts)
        assert all(found.risks[day - 1] in (Risk.MEDIUM, Risk.HIGH) for day in expected)


@pytest.mark.parametrize(
    ("mean", "deviation", "count", "method", "value"),
    [
        (0.0, 0.0, 4, RATIO, 9.0),
        (0.0, 0.0, 4, ZSCORE, 4.0),
        (2.0, 0.0, 5, RATIO, 2.2),
        (2.0, 0.0, 5, ZSCORE, 2.1213),
        (1.0, 0.0, 3, RATIO, 2.3333),
        (1.0, 0.0, 5, RATIO, 3.6667),
        (17 / 7, 2.2588, 6, RATIO, 2.2195),
        (17 / 7, 2.2588, 6, ZSCORE, 1.5811),
    ],
)
def test_a_day_is_found_up_to_the_value_and_not_beyond(
    mean: float, deviation: float, count: int, method: Method, value: float
) -> None:
    usual = Baseline(mean, deviation)
    assert outliers([count], usual, method, value - 0.001) == [0]
    assert outliers([count], usual, method, value + 0.001) == []


def test_the_moving_average_rises_with_each_day() -> None:
    usual = baseline_of([0] * 28, 28)
    limit = 3 * 1.0 * (0.3 / 1.7) ** 0.5
    assert limit == pytest.approx(1.2603, abs=1e-4)
    assert outliers([4], usual, EWMA, 3.0) == [], "0.3 x 4 = 1.2 stays below"
    assert outliers([4, 4], usual, EWMA, 3.0) == [1], "0.3 x 4 + 0.7 x 1.2 = 2.04"
    assert outliers([5], usual, EWMA, 3.0) == [0], "1.5"


def test_ten_times_the_usual_is_a_high_risk_whatever_the_threshold() -> None:
    assert find(FIRST, [5], Baseline(), RATIO, 100.0).risk is Risk.HIGH
    assert find(FIRST, [5], Baseline(), RATIO, 100.0).days == ()


def test_no_days_are_usual_as_nothing_is() -> None:
    assert baseline_of([], 0) == Baseline(0.0, 0.0)
    around = {FIRST - timedelta(days=1): 7, FIRST: 2, FIRST + timedelta(days=2): 3, FIRST + timedelta(days=3): 1}
    assert counts_of(around, FIRST, 3) == [2, 0, 3]


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=120))
def test_what_is_usual_is_that_of_the_textbook_whether_quiet_days_are_told_or_not(counts: list[int]) -> None:
    usual = baseline_of([count for count in counts if count], len(counts))
    assert usual == baseline_of(counts, len(counts))
    assert usual.mean == pytest.approx(fmean(counts))
    assert usual.deviation == pytest.approx(pstdev(counts))


@given(
    st.lists(st.integers(0, 50), min_size=7, max_size=28),
    st.lists(st.integers(0, 100), min_size=1, max_size=90),
    st.sampled_from(Method),
    st.floats(1.01, 100),
    st.floats(0, 10),
)
def test_a_higher_threshold_never_finds_more(
    before: list[int], counts: list[int], method: Method, threshold: float, more: float
) -> None:
    usual = baseline_of(before, len(before))
    found = set(outliers(counts, usual, method, threshold))
    assert set(outliers(counts, usual, method, threshold + more)) <= found
    assert all(counts[n] >= 3 and counts[n] > usual.mean for n in found if method is not EWMA)
