"""Writes what became of lanes, in batches, for as long as it takes.

While one batch is written the next one gathers, so batches grow with the load. When the database is gone nothing is
lost: the lanes stay claimed, and are written when it is back.
"""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import asyncpg

from simwarden.domain.errors import StoreUnavailable
from simwarden.notify.kept import kept
from simwarden.store import deliveries

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simwarden.notify.outage import Outage
    from simwarden.store.database import Database
    from simwarden.store.deliveries import LaneResult

BATCH = 500


class Recorder:
    """`recorded(results, more)` is called after each commit; `more` says that something is left in those lanes."""

    def __init__(self, db: Database, outage: Outage, recorded: Callable[[Sequence[LaneResult], bool], None]) -> None:
        self._db = db
        self._outage = outage
        self._recorded = recorded
        self._results: list[LaneResult] = []
        self._came = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(kept("notify-recorder", self._run))

    def put(self, result: LaneResult) -> None:
        """Have this written with the next batch."""
        self._results.append(result)
        self._idle.clear()
        self._came.set()

    async def drain(self, limit: float) -> None:
        """Wait until everything is written, at most `limit` seconds."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), limit)

    async def stop(self) -> None:
        """Stop writing; what is not written will be sent again, with the same ids."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            if not self._results:
                await self._came.wait()
            self._came.clear()
            while self._results:
                batch = self._results[:BATCH]
                try:
                    more = await deliveries.record(self._db, batch, datetime.now(UTC))
                except (StoreUnavailable, asyncpg.PostgresError) as error:
                    await asyncio.sleep(self._outage.began(error))
                    continue
                self._outage.over()
                del self._results[: len(batch)]
                self._recorded(batch, more)
            self._idle.set()
