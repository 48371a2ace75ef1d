"""The language of rules: what can be said, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from simwarden.domain.errors import NothingToChange
from simwarden.domain.events import Cause, CauseKind, EventType
from simwarden.domain.risk import InvalidRule, RiskRule, StoredRule, check
from simwarden.domain.risk_windows import Hit
from simwarden.domain.rules.lifecycle import Step, Transition, transition
from simwarden.domain.rules.risk import Release, fire, raised, release, stands
from simwarden.domain.rules.timed import Expire, expire
from simwarden.domain.sim import BarCause, Function, Lifecycle, Sim

NOW = datetime(2026, 3, 1, 2, 30, tzinfo=UTC)
CAUSE = Cause(CauseKind.REPORT, "gw1", NOW, "sent-sms")
SIM = Sim(bucket=1, imsi="460000990000001", account_id="acme", event_count=1)
MASS = {"signal": "smsSent", "atLeast": 20}


def rule(**parts: Any) -> RiskRule:
    said = {"when": [MASS], "inMinutes": 60, "then": {"alert": True}} | parts
    return msgspec.convert(said, RiskRule)


def stored(**parts: Any) -> StoredRule:
    return StoredRule(
        id="r1",
        account_id="acme",
        name="mass-sms",
        version=3,
        is_on=True,
        rule=rule(**parts),
        created_at=NOW,
        changed_at=NOW,
    )


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"when": [MASS, {"signal": "receivers", "atLeast": 500}]},
        {"when": [{"signal": "silence"}], "inMinutes": 10_080},
        {"then": {"bar": {"functions": ["SMS", "DATA"], "hours": 24}}},
        {"then": {"suspend": True, "tag": "infected"}},
    ],
)
def test_what_can_be_said_is_the_same_when_it_is_read_again(parts: dict[str, Any]) -> None:
    made = rule(**parts)
    check(made)
    assert msgspec.json.decode(msgspec.json.encode(made), type=RiskRule) == made


@pytest.mark.parametrize(
    ("parts", "named"),
    [
        ({"when": [MASS, MASS]}, "one condition only"),
        ({"when": [{"signal": "silence"}, MASS]}, "only condition"),
        ({"when": [{"signal": "silence", "atLeast": 2}]}, "without atLeast"),
        ({"when": [{"signal": "silence"}], "inMinutes": 59}, "60 minutes"),
        ({"when": [{"signal": "receivers", "atLeast": 501}]}, "500"),
        ({"then": {}}, "at least one of"),
        ({"then": {"bar": {"functions": ["SMS", "SMS"]}}}, "once"),
    ],
)
def test_what_does_not_go_together_is_refused_with_the_reason(parts: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidRule, match=named):
        check(rule(**parts))


@pytest.mark.parametrize(
    "parts",
    [
        {"when": []},
        {"when": [MASS] * 6},
        {"when": [{"all": [MASS]}]},
        {"when": [{"signal": "smsSent", "matches": "(a+)+$"}]},
        {"when": [{"signal": "smsSent", "atLeast": 0}]},
        {"when": [{"signal": "smsSent", "atLeast": 10**7}]},
        {"inMinutes": 0},
        {"inMinutes": 10_081},
        {"then": {"bar": {"functions": []}}},
        {"then": {"bar": {"functions": ["FAX"]}}},
        {"then": {"tag": "x" * 65}},
        {"then": {"tag": "a\x00b"}},
        {"then": {"run": "rm"}},
    ],
)
def test_a_hostile_rule_does_not_even_fit_the_form(parts: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        rule(**parts)


def test_a_rule_that_fires_bars_for_its_time_and_says_why() -> None:
    hit = Hit(stored(then={"bar": {"functions": ["SMS"], "hours": 24}, "tag": "infected"}), {"smsSent": 21})
    decision = fire(SIM, hit, NOW, CAUSE)
    fired, barred = decision.events
    assert (fired.type, fired.data["rule"], fired.data["version"]) == (EventType.RULE_FIRED, "mass-sms", 3)
    assert (fired.data["counted"], fired.data["tag"], fired.data["alert"]) == ({"smsSent": 21}, "infected", False)
    assert (barred.type, barred.parent) == (EventType.BAR_RAISED, fired.n)
    [bar] = decision.sim.bars
    assert (bar.cause, bar.functions, bar.until) == (BarCause.RISK, Function.SMS, NOW + timedelta(hours=24))
    assert raised(decision) == bar.event == barred.n
    assert stands(decision.sim, barred.n)
    over = expire(decision.sim, Expire(), NOW + timedelta(hours=24), CAUSE).sim
    assert not over.bars
    assert not stands(over, barred.n)


def test_a_person_releases_the_sim_once() -> None:
    hit = Hit(stored(then={"bar": {"functions": ["SMS", "VOICE"]}}), {"smsSent": 21})
    barred = fire(SIM, hit, NOW, CAUSE).sim
    assert barred.functions_off == Function.SMS | Function.VOICE
    assert barred.due_at is None, "until somebody releases it"
    free = release(barred, Release(), NOW, CAUSE)
    assert [event.type for event in free.events] == [EventType.BAR_LIFTED]
    assert not free.sim.bars
    with pytest.raises(NothingToChange):
        release(free.sim, Release(), NOW, CAUSE)


def test_to_suspend_is_a_step_of_its_life_that_is_taken_once() -> None:
    hit = Hit(stored(then={"suspend": True}), {"smsSent": 21})
    decision = fire(SIM, hit, NOW, CAUSE)
    assert decision.sim.lifecycle is Lifecycle.SUSPENDED
    assert stands(decision.sim, raised(decision))
    again = fire(decision.sim, hit, NOW, CAUSE)
    assert [event.type for event in again.events] == [EventType.RULE_FIRED]
    restored = transition(decision.sim, Transition(Step.RESTORE), NOW, CAUSE).sim
    assert not stands(restored, raised(decision))


def test_an_alert_alone_leaves_the_sim_as_it_is() -> None:
    decision = fire(SIM, Hit(stored(), {"smsSent": 20}), NOW, CAUSE)
    assert raised(decision) == 0
    assert (decision.sim.bars, decision.sim.lifecycle) == ((), Lifecycle.ACTIVE)
    assert decision.events[0].data["alert"] is True
