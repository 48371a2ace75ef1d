"""Rules that come with Simwarden, to be switched on for an account by their name. Pure.

The numbers are far above what meters, trackers and payment terminals do, and are met by an infected device within
minutes.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from simwarden.domain.errors import ResourceNotFound
from simwarden.domain.risk import Actions, Condition, RiskRule, RuleBar, Signal


class TemplateNotFound(ResourceNotFound):
    """No rule of this name comes with Simwarden."""


class Shipped(msgspec.Struct, frozen=True):
    """A rule, and what it is for."""

    text: str
    rule: RiskRule


def _trojan(signal: Signal, at_least: int, function: str, tag: str) -> RiskRule:
    bar = RuleBar(functions=(function,), hours=24)  # type: ignore[arg-type]
    return RiskRule(when=(Condition(signal, at_least),), in_minutes=60, then=Actions(bar=bar, tag=tag, alert=True))


SHIPPED: Mapping[str, Shipped] = MappingProxyType(
    {
        "mass-sms": Shipped(
            "An infected device sends masses of messages: SMS is barred for a day",
            _trojan(Signal.SMS_SENT, 30, "SMS", "trojan"),
        ),
        "mass-calls": Shipped(
            "An infected device makes masses of calls: voice is barred for a day",
            _trojan(Signal.CALLS_MADE, 20, "VOICE", "trojan"),
        ),
        "mass-data": Shipped(
            "An infected device sends or loads masses of data: data is barred for a day",
            _trojan(Signal.MEGABYTES, 200, "DATA", "trojan"),
        ),
        "phone-use": Shipped(
            "Somebody telephones with the card of a meter: voice is barred until a person releases the SIM",
            RiskRule(
                when=(Condition(Signal.CALLS_MADE, 2),),
                in_minutes=1440,
                then=Actions(bar=RuleBar(functions=("VOICE",)), tag="phone-use", alert=True),
            ),
        ),
        "silence": Shipped(
            "Nobody saw the SIM for a day: those who subscribed to it are told",
            RiskRule(when=(Condition(Signal.SILENCE),), in_minutes=1440, then=Actions(tag="silent", alert=True)),
        ),
    }
)
"""By name."""


def shipped(name: str) -> Shipped:
    """The rule of this name. Raises TemplateNotFound."""
    if name not in SHIPPED:
        raise TemplateNotFound(f"No rule named {name[:64]!r} comes with Simwarden; there are: {', '.join(SHIPPED)}")
    return SHIPPED[name]
