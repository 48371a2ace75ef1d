"""How much of its data allowance a SIM used, for those who are told when it reaches a mark. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

import msgspec

from simwarden.domain.allowance import Reached, passed
from simwarden.domain.decision import Decision, SimMutation
from simwarden.domain.events import Cause, EventType
from simwarden.domain.sim import Sim


class VolumeSeen(msgspec.Struct, frozen=True):
    """How far a SIM has come in its allowance, and had when that was last looked at."""

    before: Reached | None
    """None: that was never looked at."""
    after: Reached


def follow(sim: Sim, seen: VolumeSeen, now: datetime, cause: Cause) -> Decision:
    """Record each mark that was reached since, the lowest first."""
    change = SimMutation(sim, now, cause)
    for mark in passed(seen.before, seen.after):
        month = f"{seen.after.month:%Y-%m}"
        change.record(EventType.DATA_USED, percent=mark, month=month, allowance=sim.limits.data_allowance)
    return change.decision()


RULES: Mapping[type, object] = MappingProxyType({VolumeSeen: follow})
