"""Data allowances: what is left, which marks are reached, and when they count anew."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from simwarden.domain.allowance import MARKS, MIB, Reached, month_of, passed, reached, remaining
from simwarden.domain.events import Cause, CauseKind, EventType
from simwarden.domain.rules import decide
from simwarden.domain.rules.allowance import VolumeSeen
from simwarden.domain.sim import Sim
from simwarden.domain.traffic import TrafficLimits

NOW = datetime(2026, 3, 15, 12, 30, tzinfo=UTC)
MARCH, APRIL = date(2026, 3, 1), date(2026, 4, 1)


@pytest.mark.parametrize(
    ("octets", "percent"),
    [
        (0, 0),
        (5 * MIB - 1, 0),
        (5 * MIB, 50),
        (75 * MIB // 10 - 1, 50),
        (75 * MIB // 10, 75),
        (9 * MIB - 1, 75),
        (9 * MIB, 90),
        (10 * MIB, 90),
        (10 * MIB + 1, 100),
        (1 << 60, 100),
    ],
)
def test_marks_are_reached_to_the_octet_and_all_of_it_is_not_more_than_all(octets: int, percent: int) -> None:
    assert reached(10, octets, NOW) == Reached(MARCH, percent)
    assert remaining(10, octets) == max(10 * MIB - octets, 0)


def test_a_month_is_that_of_utc() -> None:
    assert month_of(datetime(2026, 4, 1, 7, 59, tzinfo=timezone(timedelta(hours=8)))) == datetime(
        2026, 3, 1, tzinfo=UTC
    )
    assert month_of(datetime(2026, 4, 1, tzinfo=UTC)).date() == APRIL


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (None, Reached(MARCH, 0), ()),
        (None, Reached(MARCH, 100), MARKS),
        (Reached(MARCH, 50), Reached(MARCH, 90), (75, 90)),
        (Reached(MARCH, 90), Reached(MARCH, 90), ()),
        (Reached(MARCH, 90), Reached(MARCH, 50), ()),
        (Reached(MARCH, 100), Reached(APRIL, 0), ()),
        (Reached(MARCH, 100), Reached(APRIL, 50), (50,)),
        (Reached(APRIL, 0), Reached(MARCH, 100), ()),
    ],
)
def test_each_mark_is_told_once_a_month(before: Reached | None, after: Reached, told: tuple[int, ...]) -> None:
    assert passed(before, after) == told
    sim = Sim(bucket=1, imsi="460000990000001", account_id="acme", limits=TrafficLimits(data_allowance=10))
    events = decide(sim, VolumeSeen(before, after), NOW, Cause(CauseKind.REPORT, "nas", NOW)).events
    assert [(event.type, event.data["percent"]) for event in events] == [(EventType.DATA_USED, mark) for mark in told]
    assert all(event.data["month"] == f"{after.month:%Y-%m}" and event.data["allowance"] == 10 for event in events)
