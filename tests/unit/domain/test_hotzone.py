"""From counts of days to the answer: what is compared, and what is known."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import msgspec
import pytest

from simwarden.domain.daily import Direction, TrafficKind
from simwarden.domain.hotzone import DayCount, DayDetail, Question, Side, SimTraffic, Span, baseline_days, judge
from simwarden.domain.outliers import Baseline, Method, Risk

TODAY = date(2026, 11, 21)
LONG_AGO = TODAY - timedelta(days=400)
ALWAYS = LONG_AGO, TODAY
"""The SIM has been seen all the time."""
NOBODY = Baseline()
ASKED = Question(
    today=TODAY, look_back=7, kinds=frozenset(TrafficKind), side=Side.VICTIM, method=Method.RATIO, threshold=2.0
)


def ago(days: int) -> date:
    return TODAY - timedelta(days=days)


def count(days_ago: int, hot: int, **fields: Any) -> DayCount:
    given: dict[str, Any] = {"kind": TrafficKind.CALL, "direction": Direction.INBOUND, "country": "KH"}
    return DayCount(day=ago(days_ago), hot=hot, **(given | fields))


def traffic(*days: DayCount, since: date = LONG_AGO) -> SimTraffic:
    return SimTraffic(since, LONG_AGO, days)


def test_a_quiet_meter_that_is_called_by_a_zone() -> None:
    found = judge(ASKED, traffic(count(2, 4)), ALWAYS, NOBODY)
    assert (found.anomalous, found.days, found.risk) == (True, (ago(2),), Risk.HIGH)
    assert (found.known_from, found.known_to, found.complete) == (ago(6), TODAY, True)
    assert found.details == (DayDetail(ago(2), "KH", 4, 0.0),)


def test_traffic_with_others_is_no_anomaly_but_shows_that_something_is_recorded() -> None:
    found = judge(ASKED, traffic(count(2, 0)), ALWAYS, NOBODY)
    assert (found.anomalous, found.days, found.risk, found.complete, found.details) == (False, (), None, True, ())


@pytest.mark.parametrize(
    ("asked", "seen"),
    [
        ({}, (4 + 8) * 1),  # inbound calls, calls back
        ({"side": Side.SCAMMER}, 4 + 16),  # calls made, back or not
        ({"kinds": frozenset({TrafficKind.SMS})}, 32),
        ({"kinds": frozenset({TrafficKind.SMS}), "side": Side.SCAMMER}, 64),
    ],
)
def test_what_is_looked_at(asked: dict[str, Any], seen: int) -> None:
    rows = (
        count(1, 8, direction=Direction.INBOUND),
        count(1, 4, direction=Direction.CALLED_BACK),
        count(1, 16, direction=Direction.OUTBOUND),
        count(1, 32, kind=TrafficKind.SMS),
        count(1, 64, kind=TrafficKind.SMS, direction=Direction.OUTBOUND),
    )
    one_kind = {"kinds": frozenset({TrafficKind.CALL})} | asked
    found = judge(msgspec.structs.replace(ASKED, **one_kind), traffic(*rows), ALWAYS, NOBODY)
    assert [each.count for each in found.details] == [seen]


def test_nothing_recorded_is_not_nothing_unusual() -> None:
    found = judge(ASKED, traffic(count(20, 9)), ALWAYS, NOBODY)
    assert (found.anomalous, found.days, found.risk, found.complete) == (None, (), None, False)
    of_calls = msgspec.structs.replace(ASKED, kinds=frozenset({TrafficKind.CALL}))
    assert judge(of_calls, traffic(count(1, 9, kind=TrafficKind.SMS)), ALWAYS, NOBODY).anomalous is None


def test_the_days_before_are_those_on_which_the_sim_was_seen_and_counted() -> None:
    assert baseline_days(ASKED, traffic(), ALWAYS).count == 28
    assert baseline_days(ASKED, traffic(), (ago(9), TODAY)) == Span(ago(9), ago(7))
    assert baseline_days(ASKED, traffic(since=ago(8)), ALWAYS) == Span(ago(8), ago(7))
    assert baseline_days(ASKED, traffic(), (LONG_AGO, ago(33))) == Span(ago(34), ago(33))
    assert baseline_days(ASKED, traffic(since=ago(2)), ALWAYS).count == 0
    assert baseline_days(ASKED, traffic(), (LONG_AGO, ago(60))).count == 0
    span = Span(ago(9), ago(7))
    assert [each in span for each in (ago(10), ago(9), ago(7), ago(6))] == [False, True, True, False]


@pytest.mark.parametrize(
    ("days", "others", "anomalous"),
    [
        (6, NOBODY, True),
        (6, Baseline(20.0, 1.0), False),  # too new: its like have as much
        (7, Baseline(20.0, 1.0), True),  # old enough: it had none itself
    ],
)
def test_a_new_sim_is_measured_by_its_like(days: int, others: Baseline, anomalous: bool) -> None:
    seen = ago(6 + days), TODAY
    found = judge(ASKED, traffic(count(0, 10)), seen, others)
    assert found.anomalous is anomalous
    assert found.details == (DayDetail(TODAY, "KH", 10, 0.0 if days >= 7 else None),)


@pytest.mark.parametrize(
    ("since", "seen", "covered"),
    [
        (LONG_AGO, (ago(3), TODAY), (ago(3), TODAY, False)),
        (ago(2), ALWAYS, (ago(2), TODAY, False)),
        (LONG_AGO, (LONG_AGO, ago(1)), (ago(6), TODAY, True)),  # seen before midnight
        (LONG_AGO, (LONG_AGO, ago(2)), (ago(6), ago(2), False)),
        (LONG_AGO, (LONG_AGO, ago(30)), (ago(6), TODAY, False)),  # nothing is known of these days
    ],
)
def test_coverage(since: date, seen: tuple[date, date], covered: tuple[date, date, bool]) -> None:
    found = judge(ASKED, traffic(count(2, 1), since=since), seen, NOBODY)
    assert (found.known_from, found.known_to, found.complete) == covered


def test_countries_of_a_day_count_together_and_are_told_apart() -> None:
    rows = (count(1, 2), count(1, 2, country="MM"), count(10, 28, country="MM"))
    found = judge(ASKED, traffic(*rows), ALWAYS, NOBODY)
    assert found.details == (DayDetail(ago(1), "KH", 2, 0.0), DayDetail(ago(1), "MM", 2, 1.0))
    assert found.days == (ago(1),), "(4 + 0.5) / (1 + 0.5) = 3"
