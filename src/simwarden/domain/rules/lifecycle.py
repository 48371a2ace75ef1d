"""A SIM's life: which states follow which. Pure.

PRE_ACTIVE -activate-> ACTIVE -suspend-> SUSPENDED -restore-> ACTIVE -deactivate-> DEACTIVATED -delete-> (gone);
SUSPENDED -deactivate-> DEACTIVATED, DEACTIVATED -activate-> ACTIVE. A SIM is born by `add`, PRE_ACTIVE or ACTIVE.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

from simwarden.domain.command import Command
from simwarden.domain.decision import Decision, SimMutation
from simwarden.domain.errors import AlreadyInState, IllegalTransition
from simwarden.domain.events import Cause, Event, EventType
from simwarden.domain.sim import ALL_FUNCTIONS, BarCause, Lifecycle, Sim


class Step(enum.StrEnum):
    """What can be done with a SIM's life."""

    ACTIVATE = "activate"
    SUSPEND = "suspend"
    RESTORE = "restore"
    DEACTIVATE = "deactivate"
    DELETE = "delete"


class Transition(Command, frozen=True, tag="step"):
    """Take a step in the SIM's life. A SIM that is there already counts as unchanged, with the reason."""

    step: Step

    @property
    def verb(self) -> str:
        """The step itself."""
        return str(self.step)


_PRE, _ACTIVE, _SUSPENDED = Lifecycle.PRE_ACTIVE, Lifecycle.ACTIVE, Lifecycle.SUSPENDED
_DEACTIVATED, _DELETED = Lifecycle.DEACTIVATED, Lifecycle.DELETED

TRANSITIONS = MappingProxyType(
    {
        Step.ACTIVATE: ((_PRE, _DEACTIVATED), _ACTIVE),
        Step.SUSPEND: ((_ACTIVE,), _SUSPENDED),
        Step.RESTORE: ((_SUSPENDED,), _ACTIVE),
        Step.DEACTIVATE: ((_ACTIVE, _SUSPENDED), _DEACTIVATED),
        Step.DELETE: ((_DEACTIVATED,), _DELETED),
    }
)
"""Step to the states it may start from, and the one it leads to."""


def state_of(event: Event) -> Lifecycle:
    """The state that an event of a SIM's life led to. Older ones that added a SIM do not say it: it was ACTIVE."""
    return Lifecycle(event.data.get("to") or event.data.get("lifecycle") or Lifecycle.ACTIVE)


def transition(sim: Sim, wanted: Transition, now: datetime, cause: Cause) -> Decision:
    """Take a step. SUSPENDED raises its own bar and no other bar is touched; a DELETED SIM is to be forgotten.

    Raises IllegalTransition, naming the state that is and those that are needed; AlreadyInState when the SIM is where
    the step leads.
    """
    needed, state = TRANSITIONS[wanted.step]
    if sim.lifecycle not in needed:
        raise (AlreadyInState if sim.lifecycle is state else IllegalTransition)(
            f"The SIM is {sim.lifecycle}; to {wanted.step} it, it must be {' or '.join(str(each) for each in needed)}"
        )
    change = SimMutation(sim, now, cause)
    enter(change, state)
    return change.decision()


def enter(change: SimMutation, state: Lifecycle) -> None:
    """Write down that the SIM is in this state from now on, whatever it was in."""
    n = change.record(EventType.LIFECYCLE_CHANGED, **{"from": str(change.sim.lifecycle), "to": str(state)})
    change.update(lifecycle=state, lifecycle_since=change.now)
    if state is Lifecycle.SUSPENDED:
        change.add_bar(BarCause.SUSPENDED, ALL_FUNCTIONS, n)
    else:
        change.drop_bar(BarCause.SUSPENDED)


RULES: Mapping[type, object] = MappingProxyType({Transition: transition})
