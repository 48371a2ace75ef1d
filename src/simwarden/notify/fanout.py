"""Behind the commit: events of SIMs that many subscribed to are written into their lanes, account by account."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import asyncpg

from simwarden.domain.errors import StoreUnavailable
from simwarden.notify.kept import kept
from simwarden.store import fanout

if TYPE_CHECKING:
    from simwarden.notify.metrics import NotifyMetrics
    from simwarden.store.database import Database
    from simwarden.store.leases import Leases

CHANNEL = "simwarden_fan_out"
POLL = 5.0
"""Seconds between two looks when nobody says that there is something: for what was left behind."""
TURNS = 64
"""Accounts that are served in one round, one chunk of lanes each."""
REST = 1.0
"""Seconds to wait when the database cannot be used."""


class FanOut:
    """Works on the buckets that this worker leases. Others on the same do no harm: each lane knows what it has."""

    def __init__(self, db: Database, leases: Leases, metrics: NotifyMetrics) -> None:
        self._db = db
        self._leases = leases
        self._metrics = metrics
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(kept("notify-fan-out", self._run))

    async def stop(self) -> None:
        """Stop; what is left is worked off by whoever has the buckets next."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def wake(self) -> None:
        """Something is to be written."""
        self._woken.set()

    async def _run(self) -> None:
        while True:
            self._woken.clear()
            wait = POLL
            try:
                if await self.round():
                    continue
            except (StoreUnavailable, asyncpg.PostgresError):
                wait = REST
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._woken.wait()

    async def round(self) -> bool:
        """Serve each account that waits once; returns whether one did."""
        owned = sorted(self._leases.owned())
        if not owned:
            return False
        keys = await fanout.turns(self._db, owned, TURNS)
        for bucket, imsi in keys:
            self._metrics.fanned_out.inc(await fanout.work(self._db, bucket, imsi))
        return bool(keys)
