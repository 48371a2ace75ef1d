"""The notifier: finds lanes that are due, gives everybody a fair share of the sending, and records what came of it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import asyncpg
import structlog

from simwarden.domain.errors import StoreUnavailable
from simwarden.kit.worker import Worker
from simwarden.notify import fanout
from simwarden.notify.lane import LaneRun
from simwarden.notify.metrics import NotifyMetrics
from simwarden.notify.origin import Origin
from simwarden.notify.outage import Outage
from simwarden.notify.recorder import Recorder
from simwarden.notify.sender import Sender
from simwarden.notify.settings import NotifySettings
from simwarden.notify.shares import Shares
from simwarden.notify.upkeep import Upkeep
from simwarden.store import deliveries
from simwarden.store.leases import Leases

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Coroutine, Sequence

    from simwarden.notify.retry import Outcome
    from simwarden.store.database import Database
    from simwarden.store.deliveries import DueLane, LaneResult
    from simwarden.store.vault import Vault

CHANNEL = "simwarden_delivery"
BATCH = 256
_CRASH_DELAY = timedelta(seconds=60)
_SPREAD = timedelta(minutes=5)
_HORIZON = timedelta(minutes=7)
_REMEMBERED = 256
"""Origins of an account that are remembered for their failures while nothing of them is under way."""
_GO_ON = 0.05
"""Seconds until the next look when an account has more origins than are looked at in one."""
_LEAST = 0.005
"""Least seconds between two looks that nobody asked for."""
log = structlog.get_logger(__name__)


class Notifier(Worker):
    """Hands out the deliveries of the shares that this worker leases.

    `worker` names this process, as no other one is or was named; the work of those that it is `heir_of`, who are dead,
    is taken up at once.
    """

    worker_name = "deliveries"

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
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`tls`: which certificates of sinks are trusted; None: those of the system's authorities."""
        super().__init__()
        self._tls = tls
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
        self.handlers: dict[str, Callable[[str], None]] = {
            CHANNEL: self._told,
            fanout.CHANNEL: lambda _payload: self.fan_out.wake(),
        }
        """What the worker's Listener calls. Without one the notifier looks when its next lane is due, or when woken."""
        self._origins: dict[str, Origin] = {}
        self._full: set[str] = set()
        """Origins, and"""
        self._full_accounts: set[str] = set()
        """accounts that have as many lanes as they may, and perhaps more of them in the database."""
        self._room_of_others = Origin("", self._settings.limits).room(0.0)
        self._shares = Shares(self._settings.in_flight)
        self._busy: dict[str, DueLane] = {}
        self._paused: set[str] = set()
        """Busy lanes whose subscription was paused meanwhile."""
        self._held: Counter[str] = Counter()
        """Busy lanes by account."""
        self._after: dict[str, str] = {}
        """Where the next look at an account with very many origins begins."""
        self._next_due: float | None = None
        self._aside_lock = asyncio.Semaphore(1)
        self._runs: set[asyncio.Task[None]] = set()
        self._side: set[asyncio.Task[None]] = set()
        self._stopping = False

    def start(self) -> None:
        """Begin to work, also when the database is down."""
        self._stopping = False
        self._sender = self._sender or Sender(
            allow_private=self._allow_private,
            tls=self._tls,
            connect_timeout=self._settings.connect_timeout,
            total_timeout=self._settings.total_timeout,
        )
        self._recorder.start()
        self._upkeep.start()
        self.fan_out.start()
        super().start()

    async def stop(self) -> None:
        """Finish what is under way, within the time set for it, and give the shares to the other workers."""
        self._stopping = True
        if self._loop is None:
            return
        await super().stop()
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
        await self.leases.leave()

    def _told(self, paused: str) -> None:
        """Something may be due; or the subscription of this id was paused, and what was claimed of it is put back."""
        if paused in self._busy:
            self._paused.add(paused)
        self.wake()

    async def turn(self) -> float:
        """Claim what is due; returns the seconds until there may be more."""
        try:
            wait = await self._look()
        except (StoreUnavailable, asyncpg.PostgresError) as error:
            await asyncio.sleep(self._outage.began(error))
            return 0.0
        self._outage.over()
        return wait

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
        if self._next_due is not None:
            wait = min(wait, self._next_due)
        if self._after:
            wait = min(wait, _GO_ON)
        now = time.monotonic()
        opens = [origin.opens_in(now) for origin in self._origins.values() if origin.probing]
        return max(min([wait, *(one for one in opens if one > 0)]), _LEAST)

    async def _let_go(self) -> None:
        """Give away the shares that others should have, once nothing of them is under way."""
        if self.leases.leaving:
            under_way = {self.leases.share_of(lane.bucket) for lane in self._busy.values()}
            await self.leases.release(self.leases.leaving - under_way)

    async def _claim(self, owned: Sequence[int]) -> None:
        self._next_due = None
        while (free := self._settings.held - len(self._busy)) > 0:
            now = time.monotonic()
            self._forget_idle(now)
            room = {key: one.room(now) for key, one in self._origins.items()}
            accounts = {account: self._account_room(account, free) for account in {*self._held, *self._after}}
            newcomers = self._account_room("", free)
            self._full = full = {key for key, count in room.items() if count == 0}
            claimed = await deliveries.claim(
                self._db,
                owned,
                busy=self._busy.values(),
                room=room,
                others=self._room_of_others,
                accounts=accounts,
                newcomers=newcomers,
                after=self._after,
                limit=BATCH,
            )
            self._next_due, self._after = claimed.next_due, claimed.after
            # There may be more of those that were given as much as was asked for: they are asked for again later.
            got = Counter(lane.origin for lane in claimed.lanes)
            full |= {key for key, count in got.items() if count >= room.get(key, self._room_of_others)}
            of_accounts = Counter(lane.account_id for lane in claimed.lanes)
            full_accounts = {one for one, count in of_accounts.items() if count >= accounts.get(one, newcomers)}
            taken = self._choose(claimed.lanes, now)
            self._full_accounts |= full_accounts
            self._full = full | {key for key, one in self._origins.items() if one.room(now) == 0}
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
            if len(claimed.lanes) < BATCH or not taken:
                free = self._settings.held - len(self._busy)
                # What was under way may have ended meanwhile, and nothing will wake us for it any more.
                if any(map(self._may_ask, full)) or any(self._account_room(one, free) for one in full_accounts):
                    self.wake()
                return

    def _may_ask(self, key: str) -> bool:
        """Whether an origin of which there may be more has enough room by now to ask for it."""
        origin = self._origins.get(key)
        return origin is not None and key in self._full and origin.room(time.monotonic()) >= origin.share

    def _account_room(self, account: str, free: int) -> int:
        """How many more lanes an account may hold: it leaves as many places free as it has."""
        return max((free - self._held[account] + 1) // 2, 0)

    def _forget_idle(self, now: float) -> None:
        """Forget origins of which nothing is known that matters, and of an account with very many the oldest."""
        idle: Counter[str] = Counter()
        kept = {}
        for key, one in reversed(self._origins.items()):
            if one.forgettable(now):
                continue
            if one.is_idle:
                idle[one.account] += 1
                if idle[one.account] > _REMEMBERED:
                    continue
            kept[key] = one
        self._origins = dict(reversed(kept.items()))

    def _choose(self, found: Sequence[DueLane], now: float) -> list[DueLane]:
        """As many of the lanes as their accounts and origins have room for."""
        taken = []
        for lane in found:
            account = lane.account_id
            if self._account_room(account, self._settings.held - len(self._busy)) == 0:
                continue
            origin = self._origins.get(lane.origin)
            if origin is None:
                origin = self._origins[lane.origin] = Origin(lane.origin, self._settings.limits, account)
            if origin.room(now) > 0:
                origin.reserved += 1
                self._busy[lane.id] = lane
                self._held[account] += 1
                taken.append(lane)
        free = self._settings.held - len(self._busy)
        self._full_accounts = {account for account in self._held if self._account_room(account, free) == 0}
        return taken

    def _release(self, lane_id: str) -> str | None:
        """A lane is not busy any more; returns its account."""
        lane = self._busy.pop(lane_id, None)
        self._paused.discard(lane_id)
        if lane is None:
            return None
        self._held[lane.account_id] -= 1
        if not self._held[lane.account_id]:
            del self._held[lane.account_id]
        return lane.account_id

    def _forget(self, lanes: Sequence[DueLane]) -> None:
        for lane in lanes:
            self._origins[lane.origin].reserved -= 1
            self._release(lane.id)

    def _begin(self, origin: Origin) -> None:
        """Let an origin's waiting lanes take their turns, and begin whoever may."""
        now = time.monotonic()
        pause = origin.opens_in(now)
        if pause > 0:
            self._put_back(origin, timedelta(seconds=pause))
        if origin.startable(now):
            self._shares.offer(origin)
        while not self._stopping:
            turn = self._shares.take(now)
            if turn is None:
                return
            self._start(turn)

    def _start(self, origin: Origin) -> None:
        assert self._sender is not None
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
        task = asyncio.create_task(run.run(lambda: self._stopping or lane.id in self._paused))
        self._runs.add(task)
        task.add_done_callback(partial(self._finished, origin, run))

    def _finished(self, origin: Origin, run: LaneRun, task: asyncio.Task[None]) -> None:
        self._runs.discard(task)
        self._shares.done(origin)
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
        if self._may_ask(origin.key):
            self.wake()

    def _heard(self, origin: Origin, outcome: Outcome) -> None:
        """An origin answered or did not: adjust its share; when its circuit opens let its lanes wait."""
        duration = outcome.duration.total_seconds()
        if outcome.status is not None and not outcome.is_error:
            if origin.answered(duration):
                self._aside(self._hasten(origin))
            return
        quick_error = outcome.status is not None and duration <= self._settings.limits.quick
        seconds = origin.failed(time.monotonic(), quick_error=quick_error)
        if seconds is None:
            return
        if origin.just_tripped:
            error = outcome.error or f"HTTP {outcome.status}"
            log.info("a sink does not answer as it should", origin=origin.key, error=error, pause_seconds=seconds)
            self.metrics.circuits_opened.inc()
        self._put_back(origin, timedelta(seconds=seconds))
        if not quick_error:  # lanes that met with a quick error wait by themselves
            self._aside(self._postpone(origin, seconds))

    def _aside(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(self._alone(work))
        self._side.add(task)
        task.add_done_callback(self._side.discard)

    async def _alone(self, work: Coroutine[None, None, None]) -> None:
        """One at a time: however many circuits open, one connection is used for it."""
        async with self._aside_lock:
            await work

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
            await deliveries.postpone(self._db, owned, origin.account, origin.key, delay, _SPREAD, busy=self._busy)

    async def _hasten(self, origin: Origin) -> None:
        """An origin is back: its lanes need not wait any longer, except where a sink asked for much patience."""
        owned = sorted(self.leases.owned())
        with contextlib.suppress(StoreUnavailable, asyncpg.PostgresError):
            await deliveries.hasten(self._db, owned, origin.account, origin.key, _HORIZON, busy=self._busy)
        self.wake()

    def _recorded(self, results: Sequence[LaneResult], more: bool) -> None:  # noqa: FBT001 - a callback
        crowded = len(self._busy) >= self._settings.held
        for result in results:
            crowded |= self._release(result.id) in self._full_accounts
        if more or crowded or self.leases.leaving:
            self.wake()
