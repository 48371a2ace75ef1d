"""Communication functions and single access point names, opened and closed by the customer. Pure.

Closing raises a bar of the cause CLOSED_BY_CUSTOMER, one per function, so that each has its own beginning and event.
Opening lifts that bar and no other: a function that something else bars stays off.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

from simwarden.domain.command import Command
from simwarden.domain.decision import Decision, SimMutation
from simwarden.domain.errors import NothingToChange, TooManyApns
from simwarden.domain.events import Cause, EventType
from simwarden.domain.identifiers import parse_apn
from simwarden.domain.sim import BarCause, ClosedApn, Function, Sim

_FUNCTIONS = tuple(Function)
MAX_CLOSED_APNS = 50
"""Access point names that may be closed for one SIM at a time."""


class FunctionState(enum.StrEnum):
    """What the customer wants of a function or an APN. The values are the verbs by which it is asked for."""

    OPEN = "open"
    CLOSED = "close"


class SetFunctions(Command, frozen=True, tag="switch", rename={"state": "wish"}):
    """Open or close communication functions."""

    state: FunctionState
    functions: int
    """Set of Function bits; at least one."""

    def __post_init__(self) -> None:
        """Refuse an empty set."""
        if not self.functions:
            raise ValueError("At least one function must be given")

    @property
    def verb(self) -> str:
        """`open` or `close`."""
        return str(self.state)

    @property
    def summary(self) -> str:
        """`close SMS, DATA`."""
        return f"{self.state} {names_of(Function(self.functions))}"


class SetApn(Command, frozen=True):
    """Open or close one access point name; the data function is another matter."""

    state: FunctionState
    apn: str

    @property
    def verb(self) -> str:
        """`open` or `close`."""
        return str(self.state)

    @property
    def summary(self) -> str:
        """`close APN iot.example`."""
        return f"{self.state} APN {self.apn}"


def set_functions(sim: Sim, wanted: SetFunctions, now: datetime, cause: Cause) -> Decision:
    """Open or close those of the functions that are not in that state yet, whatever else bars them.

    Raises NothingToChange when all of them are.
    """
    closes = wanted.state is FunctionState.CLOSED
    closed = int(sim.closed)
    differ = wanted.functions & (~closed if closes else closed)
    change = SimMutation(sim, now, cause)
    for function in _FUNCTIONS:
        if int(function) & differ:
            if closes:
                n = change.record(EventType.FUNCTION_CLOSED, function=function.name)
                change.add_bar(BarCause.CLOSED_BY_CUSTOMER, function, n)
            else:
                change.drop_bar(BarCause.CLOSED_BY_CUSTOMER, function)
                change.record(EventType.FUNCTION_OPENED, function=function.name)
    decision = change.decision()
    if not decision.events:
        raise NothingToChange(f"{names_of(Function(wanted.functions))}: {_already(wanted.state)} already", sim)
    return decision


def set_apn(sim: Sim, wanted: SetApn, now: datetime, cause: Cause) -> Decision:
    """Open or close one access point name.

    Raises InvalidIdentifier, NothingToChange, TooManyApns.
    """
    name = parse_apn(wanted.apn)
    closes = wanted.state is FunctionState.CLOSED
    others = tuple(closed for closed in sim.closed_apns if closed.apn != name)
    if (len(others) < len(sim.closed_apns)) is closes:
        raise NothingToChange(f"APN {name}: {_already(wanted.state)} already", sim)
    change = SimMutation(sim, now, cause)
    if closes:
        if len(others) >= MAX_CLOSED_APNS:
            raise TooManyApns(f"{MAX_CLOSED_APNS} access point names are closed for this SIM, and no more can be")
        n = change.record(EventType.APN_CLOSED, apn=name)
        others = tuple(sorted((*others, ClosedApn(name, now, n)), key=lambda closed: closed.apn))
    else:
        change.record(EventType.APN_OPENED, apn=name)
    change.update(closed_apns=others)
    return change.decision()


def names_of(functions: Function) -> str:
    """`VOICE, DATA`: the functions of a set in words."""
    return ", ".join(str(function.name) for function in Function if function & functions)


def _already(state: FunctionState) -> str:
    return "closed" if state is FunctionState.CLOSED else "open"


RULES: Mapping[type, object] = MappingProxyType({SetFunctions: set_functions, SetApn: set_apn})
