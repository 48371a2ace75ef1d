"""More short messages or calls in an hour than a SIM's limits allow: the bar QUOTA, until the hour ends. Pure.

Messages that the SIM sent bar SMS, calls that it made bar VOICE. The hour is that of the clock (UTC).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Annotated

import msgspec

from simwarden.domain.allowance import MOST as LARGEST
from simwarden.domain.command import Command
from simwarden.domain.decision import Decision, SimMutation
from simwarden.domain.errors import NothingToChange
from simwarden.domain.events import Cause, EventType
from simwarden.domain.sim import BarCause, Function, Sim
from simwarden.domain.traffic import Traffic, TrafficLimits

MOST = 1_000_000
Limit = Annotated[int, msgspec.Meta(ge=0, le=MOST)]
Allowance = Annotated[int, msgspec.Meta(ge=1, le=LARGEST)]
_OF = (("sms_per_hour", "sms", Function.SMS), ("calls_per_hour", "calls", Function.VOICE))
"""A limit, what it limits, and the function that is barred beyond it."""


class SetLimits(Command, frozen=True, tag="limit"):
    """Limit what a SIM may send and call in an hour, and say what its data allowance is; None: none any more."""

    sms_per_hour: Limit | None = None
    calls_per_hour: Limit | None = None
    data_allowance: Allowance | None = None
    """Mebibytes in a calendar month (UTC)."""

    @property
    def verb(self) -> str:
        """`limit`."""
        return "limit"


def set_limits(sim: Sim, wanted: SetLimits, now: datetime, cause: Cause) -> Decision:
    """Replace the SIM's limits. Raises NothingToChange.

    A bar that a limit raised is lifted when that limit changes: the next message or call beyond the new one raises it.
    """
    limits = TrafficLimits(wanted.sms_per_hour, wanted.calls_per_hour, wanted.data_allowance)
    if limits == sim.limits:
        raise NothingToChange("The SIM has these limits already", sim)
    change = SimMutation(sim, now, cause)
    change.record(EventType.LIMITS_CHANGED, limits=msgspec.to_builtins(limits))
    for name, _, function in _OF:
        if getattr(limits, name) != getattr(sim.limits, name) and _stands(sim, function):
            change.drop_bar(BarCause.QUOTA, function)
            change.record(EventType.BAR_LIFTED, bar=str(BarCause.QUOTA), functions=int(function))
    change.update(limits=limits)
    return change.decision()


def count(sim: Sim, traffic: Traffic, now: datetime, cause: Cause) -> Decision:
    """Bar what the SIM did more of in the running hour than its limit allows; a bar that stands is not raised again."""
    change = SimMutation(sim, now, cause)
    change.lift_expired()  # lest a bar of the hour before, about to be lifted, is taken for one of this hour
    for name, what, function in _OF:
        limit, counted = getattr(sim.limits, name), getattr(traffic, what)
        if limit is not None and counted > limit and traffic.until > now and not _stands(change.sim, function):
            change.raise_bar(BarCause.QUOTA, function, traffic.until, limit=limit, counted=counted)
    return change.decision()


def _stands(sim: Sim, function: Function) -> bool:
    return any(bar.cause is BarCause.QUOTA and bar.functions & function for bar in sim.bars)


RULES: Mapping[type, object] = MappingProxyType({SetLimits: set_limits, Traffic: count})
