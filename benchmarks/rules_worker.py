"""One of several processes that take records in beside each other, as the workers of a server do.

It says "ready" when it is, begins at a line on its input, and says at the end how many records it took in.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import uvloop

from benchmarks.rules import AT_ONCE, RECORDS, WARM, Traffic
from simwarden.app import spare_collector
from simwarden.engine.ingest import Ingest
from simwarden.settings import Settings
from simwarden.settings.keys import master_key
from simwarden.store.database import Database
from simwarden.store.embedded import EmbeddedPostgres
from simwarden.store.vault import Vault


async def main(data: str, sims: int, number: int, seconds: float) -> None:
    """`number`: which of the processes this is."""
    vault = Vault(master_key(Settings(data_dir=data)))
    db = await Database.connect(EmbeddedPostgres(Path(data)).url(), size=4)
    try:
        first = await db.fetchval("select min(id) from gateway")
        ingest = Ingest(db, vault)
        traffic = Traffic(first, sims, seed=number, made=time.time_ns())
        spare_collector()
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        begun = time.monotonic()
        counted, taken = begun + WARM * seconds, 0

        async def send() -> None:
            nonlocal taken
            while time.monotonic() < begun + seconds:
                await ingest.submit(traffic.report())
                if counted <= time.monotonic() < begun + seconds:
                    taken += RECORDS

        await asyncio.gather(*(send() for _ in range(AT_ONCE)))
        print(taken, flush=True)
    finally:
        await db.close()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))
