"""Behind the commit: events of SIMs that many subscribed to are written into their lanes, account by account."""

from __future__ import annotations

import asyncio
import contextlib
import time
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
PAUSE = 8.0
"""Pause of an account after each of its chunks, as a multiple of the time that it took: an account that makes many
events for many subscriptions takes a ninth of the time there is, and more events in each chunk the longer they wait."""


class FanOut:
    """Works on the buckets that this worker leases. Others on the same do no harm: each lane knows what it has."""

    def __init__(self, db: Database, leases: Leases, metrics: NotifyMetrics) -> None:
        self._db = db
        self._leases = leases
        self._metrics = metrics
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._rests: dict[str, float] = {}
        """Until when each account pauses (time.monotonic())."""

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
            try:
                wait = POLL if (pause := await self.round()) is None else pause
            except (StoreUnavailable, asyncpg.PostgresError):
                wait = REST
            if wait:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await self._woken.wait()

    async def round(self) -> float | None:
        """Serve each account that waits, and does not pause, once; returns seconds until the next round, None: nobody
        waits."""
        owned = sorted(self._leases.owned())
        now = time.monotonic()
        self._rests = {account: until for account, until in self._rests.items() if until > now}
        waiting = await fanout.turns(self._db, owned, TURNS + len(self._rests)) if owned else []
        if not waiting:
            return None
        served = [each for each in waiting if each[2] not in self._rests]
        for bucket, imsi, account in served:
            began = time.monotonic()
            self._metrics.fanned_out.inc(await fanout.work(self._db, bucket, imsi))
            ended = time.monotonic()
            self._rests[account] = ended + (ended - began) * PAUSE
        return 0.0 if served else max(0.001, min(self._rests[account] for _, _, account in waiting) - time.monotonic())
