"""What is said of changes of reachability and roaming, and which subscriptions are told."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.domain.test_standing import NOW, SIM

from simwarden.domain.events import Cause, CauseKind, Event, EventType
from simwarden.domain.rules import decide
from simwarden.domain.rules.reachability import ReachSeen
from simwarden.domain.rules.roaming import ServingSeen
from simwarden.domain.standing import Reach, Remembered, Roams
from simwarden.domain.telling import initially, told

CAUSE = Cause(CauseKind.REPORT, "gw1", NOW)
REACH = "org.camaraproject.device-reachability-status-subscriptions.v0.reachability-"
ROAM = "org.camaraproject.device-roaming-status-subscriptions.v0.roaming-"
HOME, FRANCE, CORSICA, BELGIUM = Roams("46000", False), Roams("20801", True), Roams("20810", True), Roams("20601", True)


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        (None, Reach.DATA, True),
        (None, Reach.SMS, True),
        (None, Reach.DISCONNECTED, False),
        (Reach.DATA, Reach.DATA, False),
        (Reach.DATA, Reach.SMS, True),
        (Reach.SMS, Reach.DISCONNECTED, True),
    ],
)
def test_reachability(before: Reach | None, after: Reach, changed: bool) -> None:
    decision = decide(SIM, ReachSeen(before, after), NOW, CAUSE)
    assert [event.type for event in decision.events] == ([EventType.REACHABILITY_CHANGED] if changed else [])
    assert decision.sim.event_count == SIM.event_count + changed
    if changed:
        known = {} if before is None else {"reach_before": str(before)}
        assert decision.events[0].data == {"reach": str(after), **known}


@pytest.mark.parametrize(
    ("before", "after", "types"),
    [
        (None, FRANCE, set()),
        (HOME, HOME, set()),
        (HOME, FRANCE, {"status", "on"}),
        (FRANCE, CORSICA, set()),
        (FRANCE, BELGIUM, {"change-country"}),
        (BELGIUM, HOME, {"status", "off"}),
        (HOME, Roams("46001", False), set()),
        (Roams("46001", True), FRANCE, {"change-country"}),
    ],
)
def test_roaming(before: Roams | None, after: Roams, types: set[str]) -> None:
    decision = decide(SIM, ServingSeen(before, after), NOW, CAUSE)
    names = ("status", "on", "off", "change-country")
    assert {name for event in decision.events for name in names if told(event, ROAM + name) is not None} == types


def event(kind: EventType, **data: Any) -> Event:
    return Event(7, kind, NOW, CAUSE, data)


def test_each_reach_is_told_by_a_type_of_its_own() -> None:
    for reach in Reach:
        change = event(EventType.REACHABILITY_CHANGED, reach=str(reach))
        heard = [name for name in ("data", "sms", "disconnected") if told(change, REACH + name) == {}]
        assert heard == [str(reach).lower()]


def test_what_is_told_of_roaming() -> None:
    abroad = event(EventType.ROAMING_CHANGED, switched=True, network="90112", **Roams("90112", True).told)
    nowhere: dict[str, Any] = {"countryCode": 901, "countryName": []}
    assert told(abroad, f"{ROAM}status") == {"roaming": True, **nowhere}
    assert told(abroad, f"{ROAM}on") == {}
    other = event(EventType.ROAMING_CHANGED, switched=False, network="90112", **Roams("90112", True).told)
    assert told(other, f"{ROAM}change-country") == nowhere
    back = event(EventType.ROAMING_CHANGED, switched=True, network="46000", **HOME.told)
    assert told(back, f"{ROAM}status") == {"roaming": False}


@pytest.mark.parametrize(
    ("stand", "types"),
    [
        (Remembered(), set()),
        (Remembered(Reach.DATA, HOME), {"data", "status", "off"}),
        (Remembered(Reach.SMS, FRANCE), {"sms", "status", "on"}),
        (Remembered(Reach.DISCONNECTED), {"disconnected"}),
    ],
)
def test_what_subscriptions_begin_with(stand: Remembered, types: set[str]) -> None:
    """The tables of both documents."""
    reach = {name for name in ("data", "sms", "disconnected") if initially(REACH + name, stand) == {}}
    roam = {name for name in ("status", "on", "off", "change-country") if initially(ROAM + name, stand) is not None}
    assert reach | roam == types
