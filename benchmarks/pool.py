"""What a release of a pool's connection costs: with a reset each time, as asyncpg does by itself, and without."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from simwarden.store.database import Database
from simwarden.store.embedded import EmbeddedPostgres

TURN = 200
"""Statements in a turn."""
TURNS = 60
"""Turns of each kind, in pairs."""


async def _turn(db: Database, *, reset: bool) -> float:
    """Microseconds that one statement took."""
    begun = time.perf_counter()
    for number in range(TURN):
        async with db.connection() as connection:
            await connection.fetchval("select $1::int", number)
            if reset:
                connection.suspect()
    return (time.perf_counter() - begun) / TURN * 1e6


async def measure() -> None:
    """Print both medians, and the median of the pairs' ratios."""
    with tempfile.TemporaryDirectory(prefix="simwarden-bench-") as directory:
        server = EmbeddedPostgres(Path(directory))
        db = await Database.connect(server.acquire(), size=1)
        try:
            await _turn(db, reset=True)
            pairs = [(await _turn(db, reset=True), await _turn(db, reset=False)) for _ in range(TURNS)]
        finally:
            await db.close()
            server.release()
    before, after = (statistics.median(each) for each in zip(*pairs, strict=True))
    ratio = statistics.median(without / with_ for with_, without in pairs)
    print(
        f"One pooled statement: {before:.0f} us with a reset at each release, {after:.0f} us without; "
        f"median ratio of {TURNS} pairs {ratio:.2f}",
        flush=True,
    )
