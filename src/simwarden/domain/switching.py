"""The customer's own switches: communication functions and single APNs, opened and closed. Pure.

Closing raises a bar of the cause CLOSED_BY_CUSTOMER, one per function, so that each has its own beginning and event.
Opening lifts that bar and no other: a function that something else bars stays off.
"""

from __future__ import annotations

import enum
from datetime import datetime

from simwarden.domain.change import Change, Changed
from simwarden.domain.errors import NothingToChange, TooManyApns
from simwarden.domain.events import Cause, EventType
from simwarden.domain.identifiers import parse_apn
from simwarden.domain.sim import BarCause, ClosedApn, Function, Sim

MAX_CLOSED_APNS = 50
"""Access point names that may be closed for one SIM at a time."""


class Wish(enum.StrEnum):
    """What the customer wants of a function or an APN."""

    OPEN = "open"
    CLOSE = "close"


def switch(sim: Sim, functions: Function, wish: Wish, now: datetime, cause: Cause) -> Changed:
    """Open or close those of `functions` that are not so yet, whatever else bars them.

    Raises NothingToChange when all of them are; ValueError when there are none.
    """
    if not functions:
        raise ValueError("At least one function must be given")
    change = Change(sim, now, cause)
    for function in Function:
        if function & functions and bool(function & sim.closed) is not (wish is Wish.CLOSE):
            if wish is Wish.CLOSE:
                n = change.record(EventType.FUNCTION_CLOSED, function=function.name)
                change.add_bar(BarCause.CLOSED_BY_CUSTOMER, function, n)
            else:
                change.drop_bar(BarCause.CLOSED_BY_CUSTOMER, function)
                change.record(EventType.FUNCTION_OPENED, function=function.name)
    changed = change.done()
    if not changed.events:
        raise NothingToChange(f"{names_of(functions)}: {_already(wish)} already", sim)
    return changed


def switch_apn(sim: Sim, apn: str, wish: Wish, now: datetime, cause: Cause) -> Changed:
    """Open or close one access point name; the data function is another switch.

    Raises InvalidIdentifier, NothingToChange, TooManyApns.
    """
    name = parse_apn(apn)
    others = tuple(closed for closed in sim.closed_apns if closed.apn != name)
    if (len(others) < len(sim.closed_apns)) is (wish is Wish.CLOSE):
        raise NothingToChange(f"APN {name}: {_already(wish)} already", sim)
    change = Change(sim, now, cause)
    if wish is Wish.CLOSE:
        if len(others) >= MAX_CLOSED_APNS:
            raise TooManyApns(f"{MAX_CLOSED_APNS} access point names are closed for this SIM, and no more can be")
        n = change.record(EventType.APN_CLOSED, apn=name)
        others = tuple(sorted((*others, ClosedApn(name, now, n)), key=lambda closed: closed.apn))
    else:
        change.record(EventType.APN_OPENED, apn=name)
    change.update(closed_apns=others)
    return change.done()


def names_of(functions: Function) -> str:
    """`VOICE, DATA`: the functions of a set in words."""
    return ", ".join(str(function.name) for function in Function if function & functions)


def _already(wish: Wish) -> str:
    return "closed" if wish is Wish.CLOSE else "open"
