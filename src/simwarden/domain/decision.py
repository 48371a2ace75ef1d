"""What is decided about one SIM: its events numbered and chained, its bars raised and lifted. Pure."""

from __future__ import annotations

import enum
from datetime import datetime
from typing import Any

import msgspec

from simwarden.domain.events import Cause, Event, EventType
from simwarden.domain.identifiers import full_imei
from simwarden.domain.sim import ALL_FUNCTIONS, Bar, BarCause, Function, Sim


class Verdict(enum.StrEnum):
    """What comparing a device with a binding says. Unknown is a verdict of its own."""

    NOT_BOUND = "NOT_BOUND"
    MATCH = "MATCH"
    MISMATCH = "MISMATCH"
    UNKNOWN = "UNKNOWN"
    STALE = "STALE"
    """A newer sighting counted already: nothing was compared."""


class Decision(msgspec.Struct, frozen=True):
    """The SIM as it is to be, and the events that say how it came to that."""

    sim: Sim
    events: tuple[Event, ...] = ()
    verdict: Verdict | None = None
    """None: no device was compared."""


class SimMutation:
    """Collects what happens to one SIM, numbering its events and chaining them to the one before."""

    def __init__(self, sim: Sim, now: datetime, cause: Cause) -> None:
        self.sim = sim
        self.now = now
        self._first = sim.event_count
        self._cause = cause
        self._events: list[Event] = []

    def record(self, type: EventType, **data: Any) -> int:  # noqa: A002 - the field's name in Event
        """Add an event; returns its number. IMEIs in `data` are written with their check digit."""
        n = self._first + len(self._events) + 1
        parent = self._events[-1].n if self._events else None
        for key in ("imei", "before", "last"):
            if data.get(key):
                data[key] = full_imei(data[key])
        self._events.append(Event(n, type, self.now, self._cause, data, parent))
        return n

    def add_bar(self, cause: BarCause, functions: Function, event: int, until: datetime | None = None) -> None:
        """Let a bar stand that `event` raised; it ends by itself at `until`."""
        self.update(bars=(*self.sim.bars, Bar(cause, int(functions), self.now, event, until)))

    def drop_bar(self, cause: BarCause, functions: Function = ALL_FUNCTIONS, event: int | None = None) -> None:
        """Take `functions` out of the bars of this cause, or out of the one that `event` raised. Others stay."""
        kept = []
        for bar in self.sim.bars:
            meant = bar.cause is cause and event in (None, bar.event)
            left = bar.functions & ~int(functions) if meant else bar.functions
            if left:
                kept.append(bar if left == bar.functions else msgspec.structs.replace(bar, functions=left))
        self.update(bars=tuple(kept))

    def raise_bar(
        self, cause: BarCause, functions: Function = ALL_FUNCTIONS, until: datetime | None = None, **data: Any
    ) -> None:
        """Bar functions, until a time if one is given, and say so."""
        if until is not None:
            data["until"] = until.isoformat()
        n = self.record(EventType.BAR_RAISED, bar=str(cause), functions=int(functions), **data)
        self.add_bar(cause, functions, n, until)

    def lift_expired(self) -> None:
        """Lift every bar whose time is over, and say so."""
        for bar in self.sim.bars:
            if bar.until is not None and bar.until <= self.now:
                self.drop_bar(bar.cause, Function(bar.functions), bar.event)
                self.record(EventType.BAR_LIFTED, bar=str(bar.cause), functions=bar.functions)

    def lift(self, cause: BarCause) -> None:
        """Lift the bars of this cause, and say so; nothing when none stands."""
        if self.sim.bar(cause) is not None:
            self.drop_bar(cause)
            self.record(EventType.BAR_LIFTED, bar=str(cause))

    def update(self, **fields: Any) -> None:
        """Set fields of the SIM."""
        self.sim = msgspec.structs.replace(self.sim, **fields)

    def decision(self, verdict: Verdict | None = None) -> Decision:
        """The SIM as it is to be, and its events."""
        sim = msgspec.structs.replace(self.sim, event_count=self._first + len(self._events))
        if sim.upheld_at is not None and sim.bar(BarCause.IMEI_MISMATCH) is None:
            sim = msgspec.structs.replace(sim, upheld_at=None)  # nothing to lift any more
        return Decision(sim, tuple(self._events), verdict)
