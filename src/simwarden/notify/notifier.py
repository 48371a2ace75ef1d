"""The notifier: finds lanes that are due, gives every origin its share of the sending, and records what came of it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import asyncpg
import structlog

from simwarden.domain.errors import StoreUnavailable
from simwarden.notify import fanout
from simwarden.notify.kept import kept
from simwarden.notify.lane import LaneRun
from simwarden.notify.metrics import NotifyMetrics
from simwarden.notify.origin import Origin
from simwarden.notify.outage import Outage
from simwarden.notify.recorder import Recorder
from simwarden.notify.sender import Sender
from simwarden.notify.settings import NotifySettings
from simwarden.notify.upkeep import Upkeep
from simwarden.store import deliveries
from simwarden.store.database import Listener
from simwarden.store.leases import Leases

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from simwarden.notify.retry import Outcome
    from simwarden.store.database import Database
    from simwarden.store.deliveries import DueLane, LaneResult
    from simwarden.store.vault import Vault

CHANNEL = "simwarden_delivery"
BATCH = 256
_CRASH_DELAY = timedelta(seconds=60)
_SPREAD = timedelta(minutes=5)
_HORIZON = timedelta(minutes=7)
log = structlog.get_logger(__name__)


class Notifier:
    """Hands out the deliveries of the shares that this worker leases.

    `worker` names this process, as no other one is or was named; the work of those that it is `heir_of`, who are dead,
    is taken up at once.
    """

    def __init__(
        self,
        db: Database,
        vault: Vault,
        *,
        worker: str,
        heir_of: Sequence[str] = (),
        allow_private_sinks: bool,
        settings: NotifySettings | None = None,
        metrics: NotifyMetrics | None = None,
        sender: Sender | None = None,
    ) -> None:
        self._db = db
        self._vault = vault
        self._allow_private = allow_private_sinks
        self._settings = settings or NotifySettings()
        self.metrics = metrics or NotifyMetrics()
        self._sender = sender
        self.leases = Leases(db, "notify", worker, self._settings.shares, heir_of=heir_of, term=self._settings.lease)
        self._outage = Outage(self.metrics.outages.inc)
        self._recorder = Recorder(db, self._outage, self._recorded)
        self._upkeep = Upkeep(db, self.leases, self._settings, self.metrics)
        self.fan_out = fanout.FanOut(db, self.leases, self.metrics)
        self._listener = Listener(
            db.url, {CHANNEL: lambda _: self.wake(), fanout.CHANNEL: lambda _: self.fan_out.wake()}
        )
        self._origins: dict[str, Origin] = {}
        self._full: set[str] = set()
        self._room_of_others = Origin("", self._settings.limits).room(0.0)
        self._busy: dict[str, DueLane] = {}
        self._runs: set[asyncio.Task[None]] = set()
        self._side: set[asyncio.Task[None]] = set()
        self._woken = asyncio.Event()
        self._stopping = False
        self._work: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to work; returns at once, also when the database is down."""
        self._stopping = False
        self._sender = self._sender or Sender(
            allow_private=self._allow_private,
            connect_timeout=self._settings.connect_timeout,
            total_timeout=self._settings.total_timeout,
        )
        self._recorder.start()
        self._upkeep.start()
        self.fan_out.start()
        self._listener.start()
        self._work = asyncio.create_task(kept("notifier", self._run))

    async def stop(self) -> None:
        """Finish what is under way, within the time set for it, and give the shares to the other workers."""
        self._stopping = True
        if self._work is None:
            return
        self._work.cancel()
        await asyncio.gather(self._work, return_exceptions=True)
        await self._listener.stop()
        await self._upkeep.stop()
        await self.fan_out.stop()
        for origin in self._origins.values():
            self._put_back(origin)
        if self._runs:
            _, late = await asyncio.wait(self._runs, timeout=self._settings.stop_time)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await asyncio.gather(*self._side, return_exceptions=True)
        await self._recorder.drain(self._settings.stop_time)
        await self._recorder.stop()
        if self._sender is not None:
            await self._sender.close()
            self._sender = None
        with contextlib.suppress(StoreUnavailable, asyncpg.PostgresError):
            await self.leases.close()

    def wake(self) -> None:
        """Something may be due."""
        self._woken.set()

    async def _run(self) -> None:
        while True:
            self._woken.clear()
            try:
                wait = await self._look()
                self._outage.over()
            except (StoreUnavailable, asyncpg.PostgresError) as error:
                await asyncio.sleep(self._outage.began(error))
                continue
            # Not wait_for: Python 3.11's swallows a cancellation that meets the wake-up, and stop() would hang.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._woken.wait()

    async def _look(self) -> float:
        """Claim what is due; returns the seconds until there may be more."""
        before = self.leases.owned()
        owned = sorted(await self.leases.refresh())
        if not before.issuperset(owned):
            self.fan_out.wake()
        await self._let_go()
        wait = min(self._settings.poll, self.leases.interval)
        if not owned:
            return wait
        await self._claim(owned)
        if not self._woken.is_set() and len(self._busy) < self._settings.held:
            due = await deliveries.next_due(self._db, owned, busy=self._busy.values(), full=self._full)
            wait = min([wait, *([] if due is None else [due])])
        now = time.monotonic()
        opens = [origin.opens_in(now) for origin in self._origins.values() if origin.probing]
        return max(min([wait, *(one for one in opens if one > 0)]), 0.001)

    async def _let_go(self) -> None:
        """Give away the shares that others should have, once nothing of them is under way."""
        if self.leases.leaving:
            under_way = {self.leases.share_of(lane.bucket) for lane in self._busy.values()}
            await self.leases.release(self.leases.leaving - under_way)

    async def _claim(self, owned: Sequence[int]) -> None:
        while len(self._busy) < self._settings.held:
            now = time.monotonic()
            self._origins = {key: one for key, one in self._origins.items() if not one.forgettable(now)}
            room = {key: one.room(now) for key, one in self._origins.items()}
            self._full = {key for key, count in room.items() if count == 0}
            found = await deliveries.claim(
                self._db,
                owned,
                busy=self._busy.values(),
                room=room,
                others=self._room_of_others,
                limit=BATCH,
            )
            taken = self._choose(found, now)
            try:
                ready = await deliveries.heads(self._db, taken, self._settings.burst)
            except BaseException:
                self._forget(taken)
                raise
            for lane in ready:
                origin = self._origins[lane.origin]
                origin.reserved -= 1
                origin.waiting.append(lane)
                self._begin(origin)
            if len(found) < BATCH:
                return

    def _choose(self, found: Sequence[DueLane], now: float) -> list[DueLane]:
        """As many of the lanes as their origins have room for."""
        taken = []
        for lane in found:
            origin = self._origins.get(lane.origin)
            if origin is None:
                origin = self._origins[lane.origin] = Origin(lane.origin, self._settings.limits)
            if origin.room(now) > 0:
                origin.reserved += 1
                self._busy[lane.id] = lane
                taken.append(lane)
        # There may be more of those that were given as much as they can take: their lanes are asked for again later.
        self._full = {key for key, one in self._origins.items() if one.room(now) == 0}
        return taken

    def _forget(self, lanes: Sequence[DueLane]) -> None:
        for lane in lanes:
            self._origins[lane.origin].reserved -= 1
            self._busy.pop(lane.id, None)

    def _begin(self, origin: Origin) -> None:
        """Start as many waiting lanes of an origin as its share and the whole allow."""
        assert self._sender is not None
        pause = origin.opens_in(time.monotonic())
        if pause > 0:
            self._put_back(origin, timedelta(seconds=pause))
        while len(self._runs) < self._settings.in_flight and origin.startable(time.monotonic()) and not self._stopping:
            lane = origin.waiting.popleft()
            run = LaneRun(
                lane,
                vault=self._vault,
                sender=self._sender,
                settings=self._settings,
                metrics=self.metrics,
                allow_private=self._allow_private,
                deadline=partial(self.leases.deadline, lane.bucket),
                heard=partial(self._heard, origin),
            )
            origin.active += 1
            task = asyncio.create_task(run.run(lambda: self._stopping))
            self._runs.add(task)
            task.add_done_callback(partial(self._finished, origin, run))

    def _finished(self, origin: Origin, run: LaneRun, task: asyncio.Task[None]) -> None:
        crowded = len(self._runs) >= self._settings.in_flight
        self._runs.discard(task)
        origin.active -= 1
        result = run.result()
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("a lane could not be worked on", subscription=result.id, exc_info=error)
            result = run.postponed(_CRASH_DELAY)
        self._recorder.put(result)
        if self._stopping:
            return
        self._begin(origin)
        if origin.key in self._full and origin.room(time.monotonic()) >= origin.share:
            self.wake()
        if crowded:
            for other in list(self._origins.values()):
                self._begin(other)

    def _heard(self, origin: Origin, outcome: Outcome) -> None:
        """An origin answered or did not: adjust its share; when its circuit opens let all its lanes wait."""
        if outcome.status is not None:
            if origin.answered(outcome.duration.total_seconds()):
                self._aside(self._hasten(origin))
            return
        seconds = origin.silent(time.monotonic())
        if seconds is None:
            return
        log.info("a sink does not answer", origin=origin.key, error=outcome.error, pause_seconds=seconds)
        self._put_back(origin, timedelta(seconds=seconds))
        self._aside(self._postpone(origin, seconds))

    def _aside(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._side.add(task)
        task.add_done_callback(self._side.discard)

    def _put_back(self, origin: Origin, delay: timedelta = timedelta(0)) -> None:
        """Return the lanes that wait for an origin, untried."""
        while origin.waiting:
            lane = origin.waiting.popleft()
            self._recorder.put(
                deliveries.LaneResult(
                    bucket=lane.bucket, id=lane.id, claimed=lane.lane_next, next=lane.lane_next, delay=delay, tried=()
                )
            )

    async def _postpone(self, origin: Origin, seconds: float) -> None:
        """Take the due lanes of a dead origin out of the way of the others'."""
        delay = timedelta(seconds=seconds)
        owned = sorted(self.leases.owned())
        with contextlib.suppress(StoreUnavailable, asyncpg.PostgresError):
            await deliveries.postpone(self._db, owned, origin.key, delay, _SPREAD, busy=self._busy)

    async def _hasten(self, origin: Origin) -> None:
        """An origin is back: its lanes need not wait any longer, except where a sink asked for much patience."""
        owned = sorted(self.leases.owned())
        with contextlib.suppress(StoreUnavailable, asyncpg.PostgresError):
            await deliveries.hasten(self._db, owned, origin.key, _HORIZON, busy=self._busy)
        self.wake()

    def _recorded(self, results: Sequence[LaneResult], more: bool) -> None:  # noqa: FBT001 - a callback
        crowded = len(self._busy) >= self._settings.held
        for result in results:
            self._busy.pop(result.id, None)
        if more or crowded or self.leases.leaving:
            self.wake()
