"""What has to be done to queues from time to time: ending, giving up, counting, forgetting."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import asyncpg

from simwarden.domain.errors import StoreUnavailable
from simwarden.kit.clock import now_utc
from simwarden.kit.worker import Worker
from simwarden.store import care, delivery_maintenance, fanout

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from simwarden.notify.metrics import NotifyMetrics
    from simwarden.notify.settings import NotifySettings
    from simwarden.store.database import Database
    from simwarden.store.leases import Leases

    Duty = Callable[[list[int]], Awaitable[None]]


class Maintenance(Worker):
    """Each duty in its own rhythm, on the buckets that this worker leases."""

    worker_name = "delivery-upkeep"

    def __init__(self, db: Database, leases: Leases, settings: NotifySettings, metrics: NotifyMetrics) -> None:
        super().__init__()
        self._db = db
        self._leases = leases
        self._settings = settings
        self._metrics = metrics
        self._duties: dict[Duty, float] = {
            self.end_due: 1.0,
            self.release: 1.0,
            self.count: 15.0,
            self.give_up: 600.0,
            self.prune: 3600.0,
        }
        self._due = dict.fromkeys(self._duties, float("-inf"))

    async def end_due(self, buckets: list[int]) -> None:
        """End the subscriptions whose time, or the time of whose token, is over."""
        while await delivery_maintenance.end_due(self._db, buckets, now_utc()) == delivery_maintenance.END_BATCH:
            pass

    async def release(self, buckets: list[int]) -> None:
        """End the subscriptions of revoked applications, or hand them over."""
        while await care.release_revoked(self._db, buckets, now_utc()):
            pass

    async def count(self, buckets: list[int]) -> None:
        """Count the queues that have something to deliver, and look how far behind the fan-out is."""
        self._metrics.lanes_pending.set(await delivery_maintenance.pending_queues(self._db, buckets))
        self._metrics.fan_out_age.set((await fanout.backlog(self._db, buckets))[1])

    async def give_up(self, buckets: list[int]) -> None:
        """Give up what was never tried because its origin is dead: the window has long closed for it."""
        schedule = self._settings.schedule
        before = now_utc() - schedule.window - 2 * schedule.longest
        for some in self._by_share(buckets):
            count = await delivery_maintenance.give_up_old(self._db, some, before)
            self._metrics.attempts.labels("dead").inc(count)

    async def prune(self, buckets: list[int]) -> None:
        """Forget what is finished and old."""
        now = now_utc()
        for some in self._by_share(buckets):
            await delivery_maintenance.prune(
                self._db,
                some,
                before=now - self._settings.keep_deliveries,
                attempts_before=now - self._settings.keep_attempts,
            )

    def _by_share(self, buckets: list[int]) -> list[list[int]]:
        """One statement a share, so that none holds its locks for long."""
        shares: dict[int, list[int]] = {}
        for bucket in buckets:
            shares.setdefault(self._leases.share_of(bucket), []).append(bucket)
        return list(shares.values())

    async def turn(self) -> float:
        """Do each duty that is due."""
        owned = sorted(self._leases.owned())
        for duty, period in self._duties.items():
            if not owned or self._due[duty] > time.monotonic():
                continue
            with contextlib.suppress(StoreUnavailable, asyncpg.PostgresError):
                await duty(owned)
            self._due[duty] = time.monotonic() + period
        return min(self._duties.values())
