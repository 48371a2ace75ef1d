"""The data sessions that devices have, as packet gateways and charging report them; in the sandbox, virtual ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

import msgspec

from simwarden.domain.radio import generation_of
from simwarden.domain.standing import NOT_CONNECTED
from simwarden.store import sessions

if TYPE_CHECKING:
    from simwarden.domain.sim import Sim
    from simwarden.northbound.kernel.services import Making
    from simwarden.store.database import Database

_VIRTUAL = {"1": "2G", "2": "3G", "3": "5G", "8": NOT_CONNECTED}


class Connection(msgspec.Struct, frozen=True):
    """What is known of how a device is connected."""

    at: datetime
    """When that was last confirmed."""
    generation: str = NOT_CONNECTED
    """`2G` to `5G`, or that."""


class Connections(Protocol):
    """Knows how devices are connected."""

    async def of(self, sim: Sim) -> Connection | None:
        """None: no session was ever reported."""


class ReportedConnections:
    """By the sessions of the store."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def of(self, sim: Sim) -> Connection | None:
        """The live session that was reported last; where none lives, when the last one was seen. Raises
        StoreUnavailable."""
        live = await sessions.live_of_sim(self._db, sim)
        if live:
            return Connection(live[0].seen_at, generation_of(live[0].rat) or NOT_CONNECTED)
        last = await sessions.newest_of_sim(self._db, sim)
        return None if last is None else Connection(last.ended_at or last.seen_at)


class VirtualConnections:
    """In the sandbox the last digit says it."""

    async def of(self, sim: Sim) -> Connection | None:
        """Never connected: 5 and 7; else 4G unless the table says otherwise."""
        digit = sim.imsi[-1]
        ago = timedelta(hours=3) if digit == "8" else timedelta(seconds=20)
        at = datetime.now(UTC) - ago
        return None if digit in "57" else Connection(at, _VIRTUAL.get(digit, "4G"))


def make(of: Making) -> Connections:
    """Of the live world, or of the sandbox."""
    return VirtualConnections() if of.virtual else ReportedConnections(of.database)


async def prune(_db: Database, _now: datetime) -> None:
    """Sessions are the engine's to forget."""
