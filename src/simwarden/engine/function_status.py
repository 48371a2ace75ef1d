"""What became of each communication function of a SIM: what was asked for, what holds, why, and in the network."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.sim import BarCause, Function, Lifecycle, Sim
from simwarden.store import attachments

if TYPE_CHECKING:
    from simwarden.domain.attachment import Attachment
    from simwarden.store.database import Database
    from simwarden.store.sims import Sims


class EnforcementState(enum.StrEnum):
    """How far the network matches what a function is to be. The first that holds at any element counts.

    So a function counts as off when every element that can stop it alone was seen to do so. Elements that cannot tell
    it apart have no say while another can; when none can, it still works.
    """

    FAILED = "FAILED"
    PENDING = "PENDING"
    """Also while it goes on although an element refuses it to whoever registers now (Attachment.lingering)."""
    APPLIED = "APPLIED"
    NOT_SEPARABLE = "NOT_SEPARABLE"
    """It is to be off, but what can be acted upon can only stop more than that, which is not wanted."""


class BarView(msgspec.Struct, frozen=True):
    """One reason that keeps a function off."""

    cause: BarCause
    since: datetime
    event: int


class FunctionView(msgspec.Struct, frozen=True):
    """One communication function."""

    function: str
    requested: bool
    """The customer wants it open."""
    effective: bool
    """It may work: the SIM is active and nothing bars it."""
    bars: list[BarView]
    since: datetime | None
    """Effective: since when; off: since when the oldest of what keeps it off stands."""
    enforcement: EnforcementState | None
    """What the network does about it; None where nothing can be acted upon."""


class ApnView(msgspec.Struct, frozen=True):
    """An access point name that the customer closed."""

    apn: str
    since: datetime
    event: int
    enforcement: EnforcementState | None
    """None: there is nothing that could separate it."""


class Functions:
    """Reading what became of functions."""

    def __init__(self, db: Database, sims: Sims) -> None:
        self._db = db
        self._sims = sims

    async def read(self, sim: Sim) -> list[FunctionView]:
        """All functions of a SIM, as they are now."""
        async with self._db.connection() as connection:
            items = (await attachments.of_sims(connection, [sim.imsi]))[sim.imsi]
        return function_views(sim, items, await self._sims.turned_on(sim))


def function_views(
    sim: Sim, items: Sequence[Attachment], turned_on: Mapping[str | None, datetime]
) -> list[FunctionView]:
    """The same from what was read: where the SIM is attached, and when what came on last (`Sims.turned_on`)."""
    return [_view(sim, function, items, turned_on) for function in Function]


def apn_views(sim: Sim, items: Sequence[Attachment]) -> list[ApnView]:
    """The closed access point names, and how far elements match that carry sessions of them (`items`: all of the
    SIM's attachments). None of them does: nobody can separate a name that was never used."""
    views = []
    for closed in sim.closed_apns:
        found = {EnforcementState(item.status) for item in items if item.current and item.target.apn == closed.apn}
        state = next((each for each in EnforcementState if each in found), None)
        views.append(ApnView(closed.apn, closed.since, closed.event, state))
    return views


def _view(
    sim: Sim, function: Function, items: Sequence[Attachment], turned_on: Mapping[str | None, datetime]
) -> FunctionView:
    bars = sorted((bar for bar in sim.bars if bar.functions & function), key=lambda bar: (bar.since, bar.event))
    effective = not sim.functions_off & function
    if effective:
        times = [turned_on.get(None), turned_on.get(str(function.name)), sim.lifecycle_since]
    else:
        times = [bar.since for bar in bars]
        times += [sim.lifecycle_since] if sim.lifecycle is not Lifecycle.ACTIVE else []
    known = [time for time in times if time is not None]
    return FunctionView(
        function=str(function.name),
        requested=not sim.closed & function,
        effective=effective,
        bars=[BarView(bar.cause, bar.since, bar.event) for bar in bars],
        since=(max(known) if effective else min(known)) if known else None,
        enforcement=_enforcement(_of_function(sim, items, effective=effective), function, off=not effective),
    )


def _of_function(sim: Sim, items: Sequence[Attachment], *, effective: bool) -> list[Attachment]:
    """Where the function itself is switched. What is done about a closed access point name says nothing of data that is
    open."""
    closed = {each.apn for each in sim.closed_apns} if effective else set()
    return [item for item in items if item.target.apn not in closed]


def _enforcement(items: Sequence[Attachment], function: Function, *, off: bool) -> EnforcementState | None:
    found = {_at(item, function, off=off) for item in items if item.current and function & item.switchable}
    return next((each for each in EnforcementState if each in found), None)


def _at(item: Attachment, function: Function, *, off: bool) -> EnforcementState:
    if off and item.held is not None and item.wanted & function:
        done = (item.applied or 0) & ~item.lingering & function  # its functions are switched, and proved, apart
        return EnforcementState.APPLIED if done else EnforcementState(item.status)
    if off and not item.wanted & function and (item.held is not None or not item.is_open):
        return EnforcementState.NOT_SEPARABLE
    return EnforcementState(item.status)
