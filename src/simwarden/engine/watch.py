"""The watch over the whole installation: raises the alarms that nobody's commit can, and ends those that are over.

What somebody commits (a failed enforcement, a delivery given up) is raised in that commit. What is wrong because
nothing happens (a gateway is silent, work is not taken up) is found here, by one worker at a time, every few seconds.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from simwarden.domain.alarm import SLOW_AFTER, AlarmKind, Trouble, gateway_key, of_gateway
from simwarden.domain.errors import StoreUnavailable
from simwarden.domain.identifiers import ALL_BUCKETS
from simwarden.kit.clock import now_utc
from simwarden.kit.worker import SoleWorker
from simwarden.store import alarms, fanout, gateways, watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from simwarden.store.database import Database
    from simwarden.store.leases import Leases

_log = structlog.get_logger()
BREAK = timedelta(seconds=30)
"""When nobody has looked for so long, nobody could have heard the gateways either: their silence counts from now."""
_QUIET_KINDS = (AlarmKind.REPORTS_UNPARSED, AlarmKind.REPORTS_DOUBTED, AlarmKind.SIM_IDENTITY)
_SLOW = (AlarmKind.DATABASE_SLOW, "database")
_SELDOM = 12
"""What is only tidied up is looked at in every so many rounds."""


class WatchSettings:
    """When what is watched is wrong."""

    def __init__(
        self,
        *,
        every: timedelta = timedelta(seconds=5),
        backlog: timedelta = timedelta(seconds=120),
        slow: timedelta = timedelta(seconds=1),
        keep: timedelta = timedelta(days=90),
    ) -> None:
        """`backlog`: work may be due so long; `slow`: a small commit may take so long; `keep`: ended alarms."""
        self.every = every
        self.backlog = backlog
        self.slow = slow
        self.keep = keep


class Watch(SoleWorker):
    """Looks every few seconds, while it holds the lease."""

    worker_name = "watch"

    def __init__(
        self,
        db: Database,
        leases: Leases,
        settings: WatchSettings | None = None,
        *,
        clock: Callable[[], datetime] = now_utc,
    ) -> None:
        """`leases` has a single share."""
        super().__init__(leases)
        self._db = db
        self._settings = settings or WatchSettings()
        self._clock = clock
        self._round = 0
        self._slow = 0
        """Slow measurements in a row; negative: good ones."""

    async def look(self) -> float:
        """One round: a check that fails leaves the others undisturbed. Raises StoreUnavailable."""
        since = await self._beat()
        checks = [self._quiet, self._enforcement, self._deliveries, self._fan_out, self._settle]
        if self._round % _SELDOM == 0:
            checks.append(self._tidy)
        self._round += 1
        await self._silent(since)
        for check in checks:
            try:
                await check()
            except StoreUnavailable:
                raise
            except Exception:
                _log.exception("a check of the watch failed", check=check.__name__)
        return self._settings.every.total_seconds()

    async def _beat(self) -> datetime:
        """Measure one small commit; returns since when gateways could be heard without a break."""
        now = self._clock()
        last = await watch.last_beat(self._db)
        fresh = last is not None and timedelta(0) <= now - last.at < max(BREAK, 3 * self._settings.every)
        since = last.since if last is not None and fresh else now
        before = time.monotonic()
        await watch.beat(self._db, watch.Beat(now, since))
        await self._measured(timedelta(seconds=time.monotonic() - before))
        return since

    async def _measured(self, took: timedelta) -> None:
        is_slow = took > self._settings.slow
        self._slow = max(self._slow, 0) + 1 if is_slow else min(self._slow, 0) - 1
        if abs(self._slow) < SLOW_AFTER:
            return
        now = self._clock()
        async with self._db.transaction() as connection:
            if is_slow:
                facts = {
                    "milliseconds": round(took / timedelta(milliseconds=1)),
                    "limit": round(self._settings.slow / timedelta(milliseconds=1)),
                }
                await alarms.raise_all(connection, [Trouble(kind=_SLOW[0], subject=_SLOW[1], facts=facts)], now)
            else:
                await alarms.clear_all(connection, [_SLOW], now, "Commits are quick again")

    async def _silent(self, since: datetime) -> None:
        now = self._clock()
        async with self._db.transaction() as connection:
            found = await watch.fell_silent(connection, now, since)
            await alarms.raise_all(
                connection,
                [
                    of_gateway(
                        AlarmKind.GATEWAY_SILENT,
                        gateway.id,
                        reportedAt=gateway.reported_at.isoformat(timespec="seconds"),
                        reportInterval=gateway.report_interval,
                        address=gateway.address,
                    )
                    for gateway in found
                ],
                now,
            )

    async def _quiet(self) -> None:
        now = self._clock()
        async with self._db.transaction() as connection:
            over = await watch.quiet(connection, _QUIET_KINDS, now)
            await alarms.clear_all(connection, over, now, "It did not happen again for three report intervals")
            idle = await watch.nothing_waits(connection)
            for gateway_id in idle:
                await gateways.answered(connection, gateway_id)
            keys = [gateway_key(AlarmKind.GATEWAY_UNREACHABLE, gateway_id) for gateway_id in idle]
            await alarms.clear_all(connection, keys, now, "Nothing is to be commanded there any more")

    async def _enforcement(self) -> None:
        over = self._settings.backlog
        await self._backlog("enforcement", await watch.enforcement_backlog(self._db, self._clock(), over))

    async def _deliveries(self) -> None:
        await self._backlog("deliveries", await watch.delivery_backlog(self._db, self._settings.backlog))

    async def _fan_out(self) -> None:
        count, seconds = await fanout.backlog(self._db, ALL_BUCKETS)
        await self._backlog("fan-out", watch.Backlog(seconds, count))

    async def _settle(self) -> None:
        await alarms.settle(self._db, self._clock())

    async def _backlog(self, work: str, found: watch.Backlog) -> None:
        """Raised when the oldest is overdue; ended when the oldest is overdue by less than half of that."""
        key = (AlarmKind.WORK_BACKLOG, work)
        now, limit = self._clock(), self._settings.backlog.total_seconds()
        if found.seconds > limit:
            facts = {
                "work": work,
                "seconds": round(found.seconds),
                "waiting": found.waiting,
                "detail": f"Longest waits {found.origin}." if found.origin else "",
            }
            async with self._db.transaction() as connection:
                await alarms.raise_all(connection, [Trouble(kind=key[0], subject=work, facts=facts)], now)
        elif found.seconds < limit / 2:
            async with self._db.transaction() as connection:
                await alarms.clear_all(connection, [key], now, "Workers keep up again")

    async def _tidy(self) -> None:
        now = self._clock()
        async with self._db.transaction() as connection:
            await alarms.clear_all(connection, await watch.gateway_gone(connection), now, "The gateway was removed")
            over = await watch.dead_no_more(connection)
            await alarms.clear_all(connection, over, now, "Nothing that was given up is left")
        await alarms.prune(self._db, now - self._settings.keep)
