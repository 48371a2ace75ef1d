"""By which type of network a SIM is connected, for those who are told when that changes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

import msgspec

from simwarden.domain.decision import Decision, SimMutation
from simwarden.domain.events import Cause, EventType
from simwarden.domain.sim import Sim
from simwarden.domain.standing import NOT_CONNECTED


class ConnectionSeen(msgspec.Struct, frozen=True):
    """By which generation of network a SIM is connected now, and was when that was last looked at."""

    before: str | None
    """None: no session had been reported, which counts as not connected."""
    after: str


def follow(sim: Sim, seen: ConnectionSeen, now: datetime, cause: Cause) -> Decision:
    """Record that the SIM changed to another type of network, or is no longer connected."""
    change = SimMutation(sim, now, cause)
    before = seen.before or NOT_CONNECTED
    if before != seen.after:
        change.record(EventType.NETWORK_TYPE_CHANGED, network_type=seen.after, network_type_before=before)
    return change.decision()


RULES: Mapping[type, object] = MappingProxyType({ConnectionSeen: follow})
