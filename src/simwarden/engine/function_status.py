"""What became of each communication function of a SIM: what was asked for, what holds, why, and in the network."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.attachment import AttachmentStatus
from simwarden.domain.sim import BarCause, Function, Lifecycle, Sim
from simwarden.store import attachments

if TYPE_CHECKING:
    from simwarden.domain.attachment import Attachment
    from simwarden.store.database import Database
    from simwarden.store.sims import Sims


class EnforcementState(enum.StrEnum):
    """How far the network matches what a function is to be. The first that holds at any place counts."""

    FAILED = "FAILED"
    PENDING = "PENDING"
    NOT_SEPARABLE = "NOT_SEPARABLE"
    """It is to be off, but what can be acted upon can only stop the whole SIM, which is not wanted."""
    APPLIED = "APPLIED"


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


def apn_views(sim: Sim) -> list[ApnView]:
    """The closed access point names. No source can act upon single ones yet."""
    return [ApnView(closed.apn, closed.since, closed.event, None) for closed in sim.closed_apns]


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
        enforcement=_enforcement(items, function, off=not effective),
    )


def _enforcement(items: Sequence[Attachment], function: Function, *, off: bool) -> EnforcementState | None:
    found = {_at(item, function, off=off) for item in items if item.current and function & item.switchable}
    return next((each for each in EnforcementState if each in found), None)


def _at(item: Attachment, function: Function, *, off: bool) -> EnforcementState:
    if item.status is not AttachmentStatus.APPLIED:
        return EnforcementState(item.status)
    return EnforcementState.NOT_SEPARABLE if off and not item.wanted & function else EnforcementState.APPLIED
