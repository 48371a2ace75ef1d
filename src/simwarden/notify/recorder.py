"""Writes what became of queues, in batches, for as long as it takes.

While one batch is written the next one gathers, so batches grow with the load. When the database is gone nothing is
lost: the queues stay claimed, and are written when it is back.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import asyncpg

from simwarden.domain.errors import StoreUnavailable
from simwarden.kit.clock import now_utc
from simwarden.kit.worker import Worker
from simwarden.store import deliveries

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simwarden.notify.backoff import Backoff
    from simwarden.store.database import Database
    from simwarden.store.deliveries import QueueResult

BATCH = 500
IDLE = 60.0
"""Seconds between two turns when nothing comes."""


class Recorder(Worker):
    """`recorded(results, more)` is called after each commit; `more` says that something is left in those queues."""

    worker_name = "delivery-recorder"

    def __init__(self, db: Database, backoff: Backoff, recorded: Callable[[Sequence[QueueResult], bool], None]) -> None:
        super().__init__()
        self._db = db
        self._backoff = backoff
        self._recorded = recorded
        self._results: list[QueueResult] = []
        self._idle = asyncio.Event()
        self._idle.set()

    def put(self, result: QueueResult) -> None:
        """Have this written with the next batch."""
        self._results.append(result)
        self._idle.clear()
        self.wake()

    async def drain(self, limit: float) -> None:
        """Wait until everything is written, at most `limit` seconds."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), limit)

    async def turn(self) -> float:
        """Write all there is; more wakes it."""
        while self._results:
            batch = self._results[:BATCH]
            try:
                more = await deliveries.record(self._db, batch, now_utc())
            except (StoreUnavailable, asyncpg.PostgresError) as error:
                await asyncio.sleep(self._backoff.failed(error))
                continue
            self._backoff.succeeded()
            del self._results[: len(batch)]
            self._recorded(batch, more)
        self._idle.set()
        return IDLE
