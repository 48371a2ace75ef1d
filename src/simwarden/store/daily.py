"""How many calls and messages SIMs had on a day (`traffic_day`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.domain.identifiers import ALL_BUCKETS, bucket_of
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    import asyncpg

    from simwarden.domain.daily import DayCounts
    from simwarden.store.database import Database

Q = load("daily")


async def add(connection: asyncpg.Connection, counts: DayCounts) -> None:
    """Add to the counts of registered SIMs, in the transaction that stores the records.

    Call it after everything that locks SIMs: whoever waits here holds those locks already, in one order for everybody.
    """
    changes = counts.changes()
    if not changes:
        return
    keys = [key for key, _, _ in changes]
    await connection.execute(
        Q["add"],
        [bucket_of(key.imsi) for key in keys],
        [key.imsi for key in keys],
        [key.day for key in keys],
        [key.kind for key in keys],
        [key.direction for key in keys],
        [key.zone for key in keys],
        [key.prefix for key in keys],
        [count for _, count, _ in changes],
        [seconds for _, _, seconds in changes],
    )


async def forget(connection: asyncpg.Connection, imsis: Sequence[str]) -> None:
    """Nothing of these SIMs is kept."""
    await connection.execute(Q["forget"], [bucket_of(imsi) for imsi in imsis], list(imsis))


async def prune(db: Database, before: date, at_once: int) -> int:
    """Delete counts of days before this one, `at_once` rows a statement and a bucket at a time; returns how many."""
    count = 0
    for bucket in ALL_BUCKETS:
        done = at_once
        while done >= at_once:
            done = await db.execute(Q["prune"], bucket, before, at_once)
            count += done
    return count
