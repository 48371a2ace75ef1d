"""What comes about by time alone: bars that end, and SIMs that have been across a border long enough. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

import msgspec

from simwarden.domain.decision import Decision, SimMutation
from simwarden.domain.events import Cause
from simwarden.domain.rules import area
from simwarden.domain.sim import Sim


class Expire(msgspec.Struct, frozen=True):
    """Some time has passed."""


def expire(sim: Sim, _given: Expire, now: datetime, cause: Cause) -> Decision:
    """Lift every bar whose time is over, and let a SIM be where it has stayed; without events when there is none."""
    change = SimMutation(sim, now, cause)
    change.lift_expired()
    area.settle_due(change)
    return change.decision()


RULES: Mapping[type, object] = MappingProxyType({Expire: expire})
