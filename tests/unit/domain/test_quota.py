"""The bar QUOTA: when it is raised, what it bars, and what lifts it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from simwarden.domain.errors import NothingToChange
from simwarden.domain.events import Cause, CauseKind, EventType
from simwarden.domain.rules.quota import SetLimits, count, set_limits
from simwarden.domain.rules.timed import Expire, expire
from simwarden.domain.sim import BarCause, Function, Sim
from simwarden.domain.traffic import Traffic, TrafficLimits

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
HOUR = NOW.replace(minute=0)
END = HOUR + timedelta(hours=1)
CAUSE = Cause(CauseKind.REPORT, "gw1", NOW)
SMS, VOICE = Function.SMS, Function.VOICE


def limited(sms: int | None = None, calls: int | None = None) -> Sim:
    return set_limits(Sim(bucket=1, imsi="460000990000001", account_id="acme"), SetLimits(sms, calls), NOW, CAUSE).sim


@pytest.mark.parametrize(
    ("limits", "sent", "made", "off"),
    [
        ((3, None), 3, 99, Function(0)),
        ((3, None), 4, 99, SMS),
        ((None, 2), 99, 2, Function(0)),
        ((None, 2), 99, 3, VOICE),
        ((3, 2), 4, 3, SMS | VOICE),
        ((0, 0), 1, 0, SMS),
        ((0, 0), 0, 0, Function(0)),
    ],
)
def test_one_more_than_the_limit_bars_what_it_limits(
    limits: tuple[int | None, int | None], sent: int, made: int, off: Function
) -> None:
    decision = count(limited(*limits), Traffic(HOUR, sent, made), NOW, CAUSE)
    assert decision.sim.functions_off == off
    assert {(bar.cause, bar.until) for bar in decision.sim.bars} <= {(BarCause.QUOTA, END)}
    for event, bar in zip(decision.events, decision.sim.bars, strict=True):
        assert (event.type, event.n) == (EventType.BAR_RAISED, bar.event)
        assert event.data["until"] == END.isoformat()
        assert event.data["counted"] > event.data["limit"]
    assert count(decision.sim, Traffic(HOUR, sent, made), NOW, CAUSE).events == (), "once"


def test_an_hour_that_is_over_bars_nothing() -> None:
    assert count(limited(0, 0), Traffic(HOUR - timedelta(hours=1), 9, 9), NOW, CAUSE).events == ()


def test_the_bar_ends_with_the_hour_and_the_next_hour_has_a_limit_of_its_own() -> None:
    barred = count(limited(1), Traffic(HOUR, 2, 0), NOW, CAUSE).sim
    assert expire(barred, Expire(), END - timedelta(microseconds=1), CAUSE).sim.functions_off == SMS
    free = expire(barred, Expire(), END, CAUSE).sim
    assert free.functions_off == Function(0)
    assert count(free, Traffic(END, 2, 0), END, CAUSE).sim.due_at == END + timedelta(hours=1)


def test_traffic_of_the_next_hour_that_comes_before_the_bar_is_lifted_bars_for_that_hour() -> None:
    barred = count(limited(1), Traffic(HOUR, 2, 0), NOW, CAUSE).sim
    decision = count(barred, Traffic(END, 2, 0), END, CAUSE)
    assert [event.type for event in decision.events] == [EventType.BAR_LIFTED, EventType.BAR_RAISED]
    assert [bar.until for bar in decision.sim.bars] == [END + timedelta(hours=1)]


def test_a_limit_that_changes_lifts_its_bar_and_no_other() -> None:
    barred = count(limited(1, 1), Traffic(HOUR, 2, 2), NOW, CAUSE).sim
    decision = set_limits(barred, SetLimits(10, 1), NOW, CAUSE)
    assert decision.sim.functions_off == VOICE
    assert [event.type for event in decision.events] == [EventType.LIMITS_CHANGED, EventType.BAR_LIFTED]
    assert decision.events[0].data == {"limits": {"sms_per_hour": 10, "calls_per_hour": 1}}
    with pytest.raises(NothingToChange):
        set_limits(decision.sim, SetLimits(10, 1), NOW, CAUSE)
    none = set_limits(decision.sim, SetLimits(), NOW, CAUSE).sim
    assert (none.functions_off, none.limits) == (Function(0), TrafficLimits())
    assert count(none, Traffic(HOUR, 99, 99), NOW, CAUSE).events == ()
