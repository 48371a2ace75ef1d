"""The rules for payments: each alone, unknown things, their order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from simwarden.domain.eligibility import ContextCode
from simwarden.domain.identifiers import bucket_of
from simwarden.domain.numbers import Assignment
from simwarden.domain.payments import LastDevice, PaymentFacts, PaymentRules, RuleResult, first_obstacle, judge
from simwarden.domain.sim import ALL_FUNCTIONS, Bar, BarCause, Lifecycle, Sim

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
IMSI, NUMBER = "460001234567890", "+8613800000001"
SIM = Sim(bucket=bucket_of(IMSI), imsi=IMSI, account_id="acc", msisdn=NUMBER)
ALL = PaymentRules(tenure_days=90, sim_swap_hours=72, device_swap_hours=24, recycled_days=30)


def ago(**by: float) -> datetime:
    return NOW - timedelta(**by)


def number(owner: datetime, sim: datetime | None = None, *, known: bool = True) -> Assignment:
    since = sim or owner
    return Assignment(
        number=NUMBER,
        imsi=IMSI,
        account_id="acc",
        since=since,
        sim_since=since,
        owner_since=owner,
        begin_known=known,
    )


GOOD = PaymentFacts(SIM, number(ago(days=400)), LastDevice(ago(days=300), is_swap=True))


def results(rules: PaymentRules = ALL, **facts: Any) -> dict[str, RuleResult]:
    return {each.rule: each for each in judge(msgspec.structs.replace(GOOD, **facts), rules, NOW)}


def refused(rules: PaymentRules = ALL, **facts: Any) -> list[str]:
    return [each.rule for each in results(rules, **facts).values() if not each.passed]


def test_who_meets_all_rules_may_pay() -> None:
    found = judge(GOOD, ALL, NOW)
    names = ["profile", "lifecycle", "bars", "tenure", "simSwap", "deviceSwap", "recycled"]
    assert [each.rule for each in found] == names
    assert all(each.passed for each in found)
    assert first_obstacle(found) is None


def test_a_rule_that_is_not_set_is_not_asked() -> None:
    nothing = PaymentFacts(SIM, None, None)
    found = judge(nothing, PaymentRules(), NOW)
    assert [each.rule for each in found] == ["profile", "lifecycle", "bars"]
    assert first_obstacle(found) is None


def test_what_is_not_known_is_refused_and_said_to_be_so() -> None:
    found = results(number=None, device=None)
    unknown = {name for name, each in found.items() if each.passed is None}
    assert unknown == {"tenure", "simSwap", "deviceSwap", "recycled"}
    assert all(found[name].message.endswith(", or that is not known") for name in unknown)
    assert first_obstacle(list(found.values())) is not None


@pytest.mark.parametrize(
    ("days", "known", "passed"),
    [(90, True, True), (90, False, True), (89.99, True, False), (89.99, False, None), (0, True, False)],
)
def test_tenure(days: float, known: bool, passed: bool | None) -> None:
    found = results(PaymentRules(tenure_days=90), number=number(ago(days=days), known=known))
    assert found["tenure"].passed is passed
    assert found["tenure"].code is ContextCode.TENURE_TOO_SHORT


@pytest.mark.parametrize(("hours", "passed"), [(72, True), (71.99, False), (0, False)])
def test_a_sim_swap(hours: float, passed: bool) -> None:
    assert results(number=number(ago(days=400), ago(hours=hours)))["simSwap"].passed is passed


@pytest.mark.parametrize(
    ("hours", "swap", "passed"), [(24, True, True), (23.99, True, False), (0, True, False), (0, False, True)]
)
def test_a_device_swap(hours: float, swap: bool, passed: bool) -> None:
    assert results(device=LastDevice(ago(hours=hours), is_swap=swap))["deviceSwap"].passed is passed


def test_a_recycled_number() -> None:
    rules = PaymentRules(recycled_days=30)
    assert refused(rules, number=number(ago(days=30))) == []
    assert refused(rules, number=number(ago(days=29))) == ["recycled"]
    assert results(rules, number=number(ago(days=29), known=False))["recycled"].passed is None


@pytest.mark.parametrize("cause", BarCause)
def test_bars(cause: BarCause) -> None:
    sim = msgspec.structs.replace(SIM, bars=(Bar(cause, int(ALL_FUNCTIONS), NOW, 2),))
    counts = cause in (BarCause.RISK, BarCause.IMEI_MISMATCH, BarCause.SUSPENDED)
    assert refused(sim=sim) == (["bars"] if counts else [])


def test_the_first_rule_that_fails_names_the_code() -> None:
    bad = PaymentFacts(SIM, number(ago(days=1)), LastDevice(ago(hours=1), is_swap=True))
    expected = [
        (PaymentRules(), None),
        (PaymentRules(recycled_days=30), ContextCode.NUMBER_RECYCLED),
        (PaymentRules(recycled_days=30, device_swap_hours=24), ContextCode.DEVICE_SWAPPED),
        (PaymentRules(recycled_days=30, device_swap_hours=24, sim_swap_hours=72), ContextCode.SIM_SWAPPED),
        (ALL, ContextCode.TENURE_TOO_SHORT),
    ]
    for rules, code in expected:
        against = first_obstacle(judge(bad, rules, NOW))
        assert (against and against.code) == code
    barred = msgspec.structs.replace(SIM, bars=(Bar(BarCause.RISK, 7, NOW, 2),))
    for sim, iot_only, code in (
        (barred, False, ContextCode.BARRED),
        (msgspec.structs.replace(barred, lifecycle=Lifecycle.SUSPENDED), False, ContextCode.SUSPENDED),
        (msgspec.structs.replace(barred, lifecycle=Lifecycle.DEACTIVATED), False, ContextCode.SUBSCRIPTION_CANCELLED),
        (msgspec.structs.replace(barred, lifecycle=Lifecycle.DEACTIVATED), True, ContextCode.SUBSCRIBER_NOT_SUPPORTED),
    ):
        rules = msgspec.structs.replace(ALL, iot_only=iot_only)
        against = first_obstacle(judge(msgspec.structs.replace(bad, sim=sim), rules, NOW))
        assert against is not None
        assert against.code is code
