"""May a data session of this SIM begin? Pure.

Asked after what the question itself shows was decided, so that bars say all that is known of device and place.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from simwarden.domain.sim import Function, Lifecycle

if TYPE_CHECKING:
    from simwarden.domain.sim import Sim

UNKNOWN_SIM = "UNKNOWN_SIM"
"""Why a SIM is refused that is not registered, or not for who asks."""


class Refusal(enum.StrEnum):
    """Why a session may not begin, where no bar is the reason."""

    APN_CLOSED = "APN_CLOSED"
    """The customer closed this access point name."""
    NOT_ACTIVE = "NOT_ACTIVE"
    """The SIM's lifecycle: see its state."""


def refusal(sim: Sim, apn: str | None) -> str | None:
    """Why a data session of this SIM at this access point may not begin; None: it may.

    The cause of the oldest bar of data (BarCause), or a Refusal. `apn`: None where it is not known, which no closed
    access point name is compared with.
    """
    if sim.lifecycle is not Lifecycle.ACTIVE:
        return f"{Refusal.NOT_ACTIVE} {sim.lifecycle}"
    bars = [bar for bar in sim.bars if bar.functions & Function.DATA]
    if bars:
        return str(min(bars, key=lambda bar: (bar.since, bar.event)).cause)
    if apn is not None and any(closed.apn == apn for closed in sim.closed_apns):
        return f"{Refusal.APN_CLOSED} {apn}"
    return None
