"""Whether and where a SIM roams, for those who are told when that changes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

import msgspec

from simwarden.domain.decision import Decision, SimMutation
from simwarden.domain.events import Cause, EventType
from simwarden.domain.sim import Sim
from simwarden.domain.standing import Roams


class ServingSeen(msgspec.Struct, frozen=True):
    """Where a SIM is served now, and was when that was last looked at."""

    before: Roams | None
    """None: nothing had told."""
    after: Roams


def follow(sim: Sim, seen: ServingSeen, now: datetime, cause: Cause) -> Decision:
    """Say that it began or ended to roam, or roams in another country. The first sight of its network is no change."""
    change = SimMutation(sim, now, cause)
    before, after = seen.before, seen.after
    if before is None:
        return change.decision()
    switched = before.roaming is not after.roaming
    if switched or (after.roaming and before.mcc != after.mcc):
        change.record(EventType.ROAMING_CHANGED, switched=switched, network=after.plmn, **after.told)
    return change.decision()


RULES: Mapping[type, object] = MappingProxyType({ServingSeen: follow})
