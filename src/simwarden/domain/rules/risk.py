"""A rule of the account fires: its bar RISK, suspension and tag; and a person who releases the SIM. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

from simwarden.domain.command import Command
from simwarden.domain.decision import Decision, SimMutation
from simwarden.domain.errors import NothingToChange
from simwarden.domain.events import Cause, EventType
from simwarden.domain.risk_windows import Hit
from simwarden.domain.rules.lifecycle import enter
from simwarden.domain.sim import BarCause, Lifecycle, Sim


class Release(Command, frozen=True, tag="release"):
    """Lift the bars that rules raised, by hand. The rules count anew from then on."""

    @property
    def verb(self) -> str:
        """`release`."""
        return "release"


def fire(sim: Sim, hit: Hit, now: datetime, cause: Cause) -> Decision:
    """Do what the rule says. What keeps the SIM from working is the last of the events."""
    stored, then = hit.rule, hit.rule.rule.then
    change = SimMutation(sim, now, cause)
    change.lift_expired()
    data = {"tag": then.tag} if then.tag else {}
    change.record(
        EventType.RULE_FIRED,
        rule=stored.name,
        rule_id=stored.id,
        version=stored.version,
        counted=dict(hit.counted),
        minutes=stored.rule.in_minutes,
        alert=then.alert,
        **data,
    )
    if then.suspend and change.sim.lifecycle is Lifecycle.ACTIVE:
        enter(change, Lifecycle.SUSPENDED)
    if then.bar is not None:
        until = None if then.bar.hours is None else now + timedelta(hours=then.bar.hours)
        change.raise_bar(BarCause.RISK, then.bar.bits, until, rule=stored.name)
    return change.decision()


def release(sim: Sim, _wanted: Release, now: datetime, cause: Cause) -> Decision:
    """Lift every bar RISK. Raises NothingToChange when none stands."""
    change = SimMutation(sim, now, cause)
    if sim.bar(BarCause.RISK) is None:
        raise NothingToChange("No bar RISK stands", sim)
    change.lift(BarCause.RISK)
    return change.decision()


def stands(sim: Sim, event: int) -> bool:
    """Whether what this event raised still keeps the SIM from working."""
    return any(bar.event == event for bar in sim.bars)


def raised(decision: Decision) -> int:
    """The event by which `fire` keeps the SIM from working; 0: it does not."""
    kept = {bar.event for bar in decision.sim.bars}
    return next((event.n for event in reversed(decision.events) if event.n in kept), 0)


RULES: Mapping[type, object] = MappingProxyType({Hit: fire, Release: release})
