"""Behind the commit: events of SIMs that many subscribed to are written into their queues, account by account."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from simwarden.kit.worker import Worker
from simwarden.store import fanout

if TYPE_CHECKING:
    from simwarden.notify.metrics import NotifyMetrics
    from simwarden.store.database import Database
    from simwarden.store.leases import Leases

CHANNEL = "simwarden_fan_out"
POLL = 5.0
"""Seconds between two looks when nobody says that there is something: for what was left behind."""
TURNS = 64
"""Accounts that are served in one round, one chunk of queues each."""
PAUSE = 8.0
"""Pause of an account after each of its chunks, as a multiple of the time that it took: an account that makes many
events for many subscriptions takes a ninth of the time there is, and more events in each chunk the longer they wait."""


class FanOut(Worker):
    """Works on the buckets that this worker leases. Others on the same do no harm: each queue knows what it has."""

    worker_name = "fan-out"

    def __init__(self, db: Database, leases: Leases, metrics: NotifyMetrics) -> None:
        super().__init__()
        self._db = db
        self._leases = leases
        self._metrics = metrics
        self._rests: dict[str, float] = {}
        """Until when each account pauses (time.monotonic())."""

    async def turn(self) -> float:
        """One round; returns the seconds until the next."""
        pause = await self.round()
        return POLL if pause is None else pause

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
