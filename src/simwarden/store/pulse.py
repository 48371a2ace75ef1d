"""What each worker counted in the last minutes, for whoever shows how much goes on."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from simwarden.store.queries import load

if TYPE_CHECKING:
    from simwarden.store.database import Database

Q = load("pulse")
_PREFIX = "pulse:"
FORGOTTEN = timedelta(minutes=10)
"""After this a worker that wrote no more is forgotten."""


class BlockedStep(msgspec.Struct, array_like=True):
    """Locks that were shown within some minutes."""

    begin: datetime
    count: int
    took: list[float]
    """Seconds, of the newest ones."""


class PulseOf(msgspec.Struct, frozen=True):
    """One worker's counts, by step; the newest last."""

    sightings: list[int]
    decisions: list[int]
    blocks: list[int]
    deliveries: list[int]
    blocking: list[BlockedStep]
    """The steps in which locks were shown, in their order."""


async def keep(db: Database, worker: str, found: PulseOf, now: datetime) -> None:
    """Replace what this worker said before; workers that are gone for long are forgotten."""
    await db.execute(Q["keep"], _PREFIX + worker, now, msgspec.to_builtins(found))
    await db.execute(Q["forget"], _PREFIX, now - FORGOTTEN)


async def read(db: Database, since: datetime) -> list[PulseOf]:
    """Of the workers that wrote since then. Raises StoreUnavailable."""
    rows = await db.fetch(Q["read"], _PREFIX, since)
    return [msgspec.convert(row["counts"], PulseOf) for row in rows]
