"""By what a SIM can be reached, for those who are told when that changes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

import msgspec

from simwarden.domain.decision import Decision, SimMutation
from simwarden.domain.events import Cause, EventType
from simwarden.domain.sim import Sim
from simwarden.domain.standing import Reach


class ReachSeen(msgspec.Struct, frozen=True):
    """By what a SIM can be reached now, and could be when that was last looked at."""

    before: Reach | None
    """None: nothing had told."""
    after: Reach


def follow(sim: Sim, seen: ReachSeen, now: datetime, cause: Cause) -> Decision:
    """Say that it changed. That a SIM which nothing had shown before is disconnected is no change."""
    change = SimMutation(sim, now, cause)
    if seen.after is not seen.before and (seen.before, seen.after) != (None, Reach.DISCONNECTED):
        known = {} if seen.before is None else {"reach_before": str(seen.before)}
        change.record(EventType.REACHABILITY_CHANGED, reach=str(seen.after), **known)
    return change.decision()


RULES: Mapping[type, object] = MappingProxyType({ReachSeen: follow})
