"""A SIM becomes another account's. Pure.

For the account that had it, the SIM is gone, as one that was deleted; for the other it is new. Nothing that the one
wished or learnt comes to the other, so a SIM that anything holds back stays until that is undone.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

from simwarden.domain.command import Command
from simwarden.domain.decision import Decision, SimMutation
from simwarden.domain.errors import IllegalTransition, IncompatibleState, NothingToChange
from simwarden.domain.events import Cause, EventType
from simwarden.domain.sim import Lifecycle, Sim

FROM = (Lifecycle.PRE_ACTIVE, Lifecycle.ACTIVE)


class HandOverSim(Command, frozen=True, tag="hand-over"):
    """Make a SIM another account's."""

    account_id: str

    @property
    def verb(self) -> str:
        """`hand-over`."""
        return "hand-over"


def hand_over(sim: Sim, wanted: HandOverSim, now: datetime, cause: Cause) -> Decision:
    """The SIM as it leaves: DELETED. Raises NothingToChange, IllegalTransition, IncompatibleState."""
    if sim.account_id == wanted.account_id:
        raise NothingToChange("The SIM is that account's already", sim)
    if sim.lifecycle not in FROM:
        raise IllegalTransition(f"The SIM is {sim.lifecycle}; to hand it over, it must be PRE_ACTIVE or ACTIVE")
    if sim.bars or sim.closed_apns:
        why = ", ".join(dict.fromkeys(str(bar.cause) for bar in sim.bars)) or "closed APNs"
        raise IncompatibleState(f"The SIM is held back by {why}: undo that before it is handed over")
    change = SimMutation(sim, now, cause)
    change.record(
        EventType.LIFECYCLE_CHANGED, **{"from": str(sim.lifecycle), "to": str(Lifecycle.DELETED), "handedOver": True}
    )
    change.update(lifecycle=Lifecycle.DELETED, lifecycle_since=now)
    return change.decision()


RULES: Mapping[type, object] = MappingProxyType({HandOverSim: hand_over})
