"""Whether a SIM's subscriber may pay by the phone bill: the operator's rules, as data of an account. Pure.

What a rule needs and nobody knows makes it fail. All rules are judged, so that an operator sees what each would refuse;
a customer is told the first that fails, by its code.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from simwarden.domain.eligibility import ContextCode, Obstacle, by_lifecycle
from simwarden.domain.numbers import Assignment, owned_since
from simwarden.domain.sim import BarCause, Sim

if TYPE_CHECKING:
    from collections.abc import Sequence

SCOPE = "carrier-billing:payments:create"
"""Of CAMARA's Carrier Billing, which this server does not serve."""
Days = Annotated[int, Meta(ge=1, le=3650)]
Hours = Annotated[int, Meta(ge=1, le=2400)]
_BARS = (BarCause.RISK, BarCause.IMEI_MISMATCH, BarCause.SUSPENDED)


class PaymentRules(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an account's SIMs have to meet, beside being ACTIVE without a bar of risk, mismatch or suspension.

    None: the rule is not asked.
    """

    iot_only: bool = False
    """None of its SIMs may pay."""
    tenure_days: Days | None = None
    """The account has had the phone number for so long."""
    sim_swap_hours: Hours | None = None
    """The phone number came to its SIM before that."""
    device_swap_hours: Hours | None = None
    """The SIM came into its device from another one before that."""
    recycled_days: Days | None = None
    """The phone number was not another subscriber's since then."""


class LastDevice(msgspec.Struct, frozen=True):
    """When a SIM last came into a device."""

    at: datetime
    is_swap: bool
    """From another one; False: it is its first."""


class PaymentFacts(msgspec.Struct, frozen=True):
    """What the rules are judged by."""

    sim: Sim
    number: Assignment | None
    """None: not recorded."""
    device: LastDevice | None
    """None: not recorded, or it was never in one."""


class RuleResult(msgspec.Struct, frozen=True):
    """What came of one rule."""

    rule: str
    passed: bool | None
    """None: what it needs is not known, which is as bad as False."""
    code: ContextCode
    message: str
    """Why it did not pass; for people."""


def judge(facts: PaymentFacts, rules: PaymentRules, now: datetime) -> list[RuleResult]:
    """All rules that are asked, in the order in which they count."""
    sim = facts.sim
    found = [
        RuleResult("profile", not rules.iot_only, ContextCode.SUBSCRIBER_NOT_SUPPORTED, "The profile is for IoT only")
    ]
    against = by_lifecycle(sim)
    code, message = (ContextCode.SUBSCRIPTION_CANCELLED, "") if against is None else (against.code, against.message)
    found.append(RuleResult("lifecycle", against is None, code, message))
    barred = sorted({str(bar.cause) for bar in sim.bars if bar.cause in _BARS})
    found.append(RuleResult("bars", not barred, ContextCode.BARRED, f"The SIM is barred: {', '.join(barred)}"))
    if rules.tenure_days is not None:
        passed = _owned(facts.number, now - timedelta(days=rules.tenure_days))
        found.append(RuleResult("tenure", passed, ContextCode.TENURE_TOO_SHORT, "The phone number is too new here"))
    if rules.sim_swap_hours is not None:
        passed = None if facts.number is None else facts.number.sim_since <= now - timedelta(hours=rules.sim_swap_hours)
        found.append(RuleResult("simSwap", passed, ContextCode.SIM_SWAPPED, "The phone number came to its SIM lately"))
    if rules.device_swap_hours is not None:
        since = now - timedelta(hours=rules.device_swap_hours)
        passed = None if facts.device is None else not facts.device.is_swap or facts.device.at <= since
        found.append(
            RuleResult("deviceSwap", passed, ContextCode.DEVICE_SWAPPED, "The SIM came into its device lately")
        )
    if rules.recycled_days is not None:
        passed = _owned(facts.number, now - timedelta(days=rules.recycled_days))
        message = "The phone number was somebody else's lately"
        found.append(RuleResult("recycled", passed, ContextCode.NUMBER_RECYCLED, message))
    return [_unknown(each) if each.passed is None else each for each in found]


def first_obstacle(results: Sequence[RuleResult]) -> Obstacle | None:
    """What is told: the first rule that did not pass."""
    return next((Obstacle(each.code, each.message) for each in results if not each.passed), None)


def _owned(number: Assignment | None, since: datetime) -> bool | None:
    return None if number is None else owned_since(number, since)


def _unknown(result: RuleResult) -> RuleResult:
    return msgspec.structs.replace(result, message=f"{result.message}, or that is not known")
