"""The language of an account's rules: "when" these signals "in" this time, "then" these actions. As data; pure.

A rule has no nesting and no patterns: up to MOST_CONDITIONS conditions that must all hold in one window of time. Two
rules say "or". The schema of the management API (`RiskRule`) is of these types.
"""

from __future__ import annotations

import enum
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from simwarden.domain.errors import InvalidValue
from simwarden.domain.sim import Function

MOST_CONDITIONS = 5
MOST_MINUTES = 7 * 24 * 60
"""Of a window."""
MOST_COUNTED = 1_000_000
MOST_DISTINCT = 500
"""Of other sides, or countries, that a condition may ask for: so many are remembered of each SIM."""
QUIETEST = 60
"""Minutes: a shorter silence is none, as what is repeated of a SIM is written down every quarter of an hour."""

Minutes = Annotated[int, Meta(ge=1, le=MOST_MINUTES)]
Count = Annotated[int, Meta(ge=1, le=MOST_COUNTED)]
Hours = Annotated[int, Meta(ge=1, le=8760)]
Tag = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_.:/-]{0,62}\Z")]
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}\Z")]


class Signal(enum.StrEnum):
    """What is counted, or added up, over a window."""

    SMS_SENT = "smsSent"
    SMS_RECEIVED = "smsReceived"
    CALLS_MADE = "callsMade"
    """Answered or not."""
    CALLS_RECEIVED = "callsReceived"
    CALL_MINUTES = "callMinutes"
    """Of calls made, from answer to end as far as that is reported, on the time at which they began."""
    RECEIVERS = "receivers"
    """Different numbers that it sent messages to or called."""
    COUNTRIES = "countries"
    """Different countries of those numbers."""
    NEW_COUNTRIES = "newCountries"
    """Countries of those numbers, other than its home, which it did not reach before as far as that is counted."""
    MEGABYTES = "megabytes"
    """Of data, both ways (10^6 bytes)."""
    DEVICE_CHANGES = "deviceChanges"
    """It was found in another device than before."""
    AREA_CHANGES = "areaChanges"
    """It left its area, or came back."""
    SILENCE = "silence"
    """Nobody saw it for the whole time. The only condition of its rule."""


UNITS = {Signal.CALL_MINUTES: 60, Signal.MEGABYTES: 1_000_000}
"""What is added up in smaller units than a condition counts in: seconds, bytes."""
DISTINCT = frozenset({Signal.RECEIVERS, Signal.COUNTRIES})
"""Signals that count different things."""


class Condition(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """A signal comes up to a number."""

    signal: Signal
    at_least: Count = 1


class RuleBar(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """Bar functions (cause RISK)."""

    functions: Annotated[tuple[Literal["VOICE", "SMS", "DATA"], ...], Meta(min_length=1, max_length=3)]
    hours: Hours | None = None
    """None: until a person releases the SIM."""

    @property
    def bits(self) -> Function:
        """The functions as a set."""
        found = Function(0)
        for name in self.functions:
            found |= Function[name]
        return found


class Actions(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """What a rule does to the SIM. That it fired is in the SIM's history in any case."""

    bar: RuleBar | None = None
    suspend: bool = False
    """An ACTIVE SIM becomes SUSPENDED, until somebody restores it."""
    tag: Tag | None = None
    alert: bool = False
    """Those who subscribed to it are told."""

    @property
    def holds(self) -> bool:
        """Whether it keeps the SIM from working: the rule then rests until that is over."""
        return self.bar is not None or self.suspend


class RiskRule(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """When all of these happen in that time, then do this."""

    when: Annotated[tuple[Condition, ...], Meta(min_length=1, max_length=MOST_CONDITIONS)]
    in_minutes: Minutes
    then: Actions

    @property
    def is_silence(self) -> bool:
        """Whether it waits for nothing to happen."""
        return self.when[0].signal is Signal.SILENCE


class InvalidRule(InvalidValue):
    """This rule cannot be."""


class StoredRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule of an account."""

    id: str
    account_id: str
    name: str
    version: int
    """From 1; each change is one more."""
    is_on: bool
    rule: RiskRule
    created_at: datetime
    changed_at: datetime


def check(rule: RiskRule) -> None:
    """Raise InvalidRule where the parts of a rule do not go together, naming the limit."""
    signals = [each.signal for each in rule.when]
    if len(set(signals)) < len(signals):
        raise InvalidRule("when: a signal may stand in one condition only")
    if Signal.SILENCE in signals:
        if len(signals) > 1 or rule.when[0].at_least != 1:
            raise InvalidRule("when: silence must be the only condition, without atLeast")
        if rule.in_minutes < QUIETEST:
            raise InvalidRule(f"inMinutes: silence is noticed from {QUIETEST} minutes on")
    for each in rule.when:
        if each.signal in DISTINCT and each.at_least > MOST_DISTINCT:
            raise InvalidRule(f"when: atLeast of {each.signal} may be {MOST_DISTINCT} at most")
    then = rule.then
    if then == Actions():
        raise InvalidRule("then: name at least one of bar, suspend, tag and alert")
    if then.bar is not None and len(set(then.bar.functions)) < len(then.bar.functions):
        raise InvalidRule("then.bar.functions: each may stand there once")
