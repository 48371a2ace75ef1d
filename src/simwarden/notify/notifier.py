"""The notifier: finds queues that are due, gives everybody a fair share of the sending, and records what came of it."""

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
from simwarden.notify.backoff import Backoff
from simwarden.notify.held import HeldQueues
from simwarden.notify.maintenance import Maintenance
from simwarden.notify.metrics import NotifyMetrics
from simwarden.notify.queue_sender import QueueSender
from simwarden.notify.recorder import Recorder
from simwarden.notify.sender import Sender
from simwarden.notify.settings import NotifySettings
from simwarden.notify.shares import Shares
from simwarden.notify.sink_host import SinkHost
from simwarden.store import deliveries
from simwarden.store.leases import Leases

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Coroutine, Sequence

    from simwarden.notify.retry import SendOutcome
    from simwarden.store.database import Database
    from simwarden.store.deliveries import ClaimedQueue, QueueResult
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
        self._backoff = Backoff(self.metrics.outages.inc)
        self._recorder = Recorder(db, self._backoff, self._recorded)
        self._upkeep = Maintenance(db, self.leases, self._settings, self.metrics)
        self.fan_out = fanout.FanOut(db, self.leases, self.metrics)
        self.handlers: dict[str, Callable[[str], None]] = {
            CHANNEL: self._notified,
            fanout.CHANNEL: lambda _payload: self.fan_out.wake(),
        }
        """What the worker's Listener calls. Without one the notifier looks when a queue is due, or when woken."""
        self._origins: dict[str, SinkHost] = {}
        self._full: set[str] = set()
        """Origins, and"""
        self._full_accounts: set[str] = set()
        """accounts that have as many queues as they may, and perhaps more of them in the database."""
        self._capacity_of_others = SinkHost("", self._settings.limits).capacity(0.0)
        self._shares = Shares(self._settings.in_flight)
        self._held = HeldQueues(self._settings.held)
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

    def _notified(self, paused: str) -> None:
        """Something may be due; or the subscription of this id was paused, and what was claimed of it is put back."""
        self._held.pause(paused)
        self.wake()

    async def turn(self) -> float:
        """Claim what is due; returns the seconds until there may be more."""
        try:
            wait = await self._look()
        except (StoreUnavailable, asyncpg.PostgresError) as error:
            await asyncio.sleep(self._backoff.failed(error))
            return 0.0
        self._backoff.succeeded()
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
            under_way = {self.leases.share_of(queue.bucket) for queue in self._held}
            await self.leases.release(self.leases.leaving - under_way)

    async def _claim(self, owned: Sequence[int]) -> None:
        self._next_due = None
        while self._held.free > 0:
            now = time.monotonic()
            self._forget_idle(now)
            capacity = {key: one.capacity(now) for key, one in self._origins.items()}
            accounts = {account: self._held.capacity(account) for account in {*self._held.accounts, *self._after}}
            newcomers = self._held.capacity("")
            self._full = full = {key for key, count in capacity.items() if count == 0}
            claimed = await deliveries.claim(
                self._db,
                owned,
                busy=list(self._held),
                capacity=capacity,
                others=self._capacity_of_others,
                accounts=accounts,
                newcomers=newcomers,
                after=self._after,
                limit=BATCH,
            )
            self._next_due, self._after = claimed.next_due, claimed.after
            # There may be more of those that were given as much as was asked for: they are asked for again later.
            got = Counter(queue.origin for queue in claimed.queues)
            full |= {key for key, count in got.items() if count >= capacity.get(key, self._capacity_of_others)}
            of_accounts = Counter(queue.account_id for queue in claimed.queues)
            full_accounts = {one for one, count in of_accounts.items() if count >= accounts.get(one, newcomers)}
            taken = self._choose(claimed.queues, now)
            self._full_accounts |= full_accounts
            self._full = full | {key for key, one in self._origins.items() if one.capacity(now) == 0}
            try:
                ready = await deliveries.heads(self._db, taken, self._settings.burst)
            except BaseException:
                self._forget(taken)
                raise
            for queue in ready:
                origin = self._origins[queue.origin]
                origin.reserved -= 1
                origin.waiting.append(queue)
                self._begin(origin)
            if len(claimed.queues) < BATCH or not taken:
                # What was under way may have ended meanwhile, and nothing will wake us for it any more.
                if any(map(self._may_ask, full)) or any(map(self._held.capacity, full_accounts)):
                    self.wake()
                return

    def _may_ask(self, key: str) -> bool:
        """Whether an origin of which there may be more has enough room by now to ask for it."""
        origin = self._origins.get(key)
        return origin is not None and key in self._full and origin.capacity(time.monotonic()) >= origin.concurrency

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

    def _choose(self, found: Sequence[ClaimedQueue], now: float) -> list[ClaimedQueue]:
        """As many of the queues as their accounts and origins have room for."""
        taken = []
        for queue in found:
            if self._held.capacity(queue.account_id) == 0:
                continue
            origin = self._origins.get(queue.origin)
            if origin is None:
                origin = self._origins[queue.origin] = SinkHost(queue.origin, self._settings.limits, queue.account_id)
            if origin.capacity(now) > 0:
                origin.reserved += 1
                self._held.add(queue)
                taken.append(queue)
        self._full_accounts = self._held.full_accounts()
        return taken

    def _forget(self, queues: Sequence[ClaimedQueue]) -> None:
        for queue in queues:
            self._origins[queue.origin].reserved -= 1
            self._held.remove(queue.id)

    def _begin(self, origin: SinkHost) -> None:
        """Let an origin's waiting queues take their turns, and begin whoever may."""
        now = time.monotonic()
        pause = origin.opens_in(now)
        if pause > 0:
            self._put_back(origin, timedelta(seconds=pause))
        if origin.can_start(now):
            self._shares.offer(origin)
        while not self._stopping:
            turn = self._shares.take(now)
            if turn is None:
                return
            self._start(turn)

    def _start(self, origin: SinkHost) -> None:
        assert self._sender is not None
        queue = origin.waiting.popleft()
        run = QueueSender(
            queue,
            vault=self._vault,
            sender=self._sender,
            settings=self._settings,
            metrics=self.metrics,
            allow_private=self._allow_private,
            deadline=partial(self.leases.deadline, queue.bucket),
            heard=partial(self._heard, origin),
        )
        origin.active += 1
        task = asyncio.create_task(run.run(lambda: self._stopping or self._held.is_paused(queue.id)))
        self._runs.add(task)
        task.add_done_callback(partial(self._finished, origin, run))

    def _finished(self, origin: SinkHost, run: QueueSender, task: asyncio.Task[None]) -> None:
        self._runs.discard(task)
        self._shares.done(origin)
        origin.active -= 1
        result = run.result()
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("sending the deliveries of a subscription failed", subscription=result.id, exc_info=error)
            result = run.deferred(_CRASH_DELAY)
        self._recorder.put(result)
        if self._stopping:
            return
        self._begin(origin)
        if self._may_ask(origin.key):
            self.wake()

    def _heard(self, origin: SinkHost, outcome: SendOutcome) -> None:
        """An origin answered or did not: adjust its share; when its circuit opens let its queues wait."""
        duration = outcome.duration.total_seconds()
        if outcome.status is not None and not outcome.is_error:
            if origin.answered(duration):
                self._aside(self._release_queues(origin))
            return
        quick_error = outcome.status is not None and duration <= self._settings.limits.quick
        seconds = origin.failed(time.monotonic(), quick_error=quick_error)
        if seconds is None:
            return
        if origin.just_tripped:
            error = outcome.error or f"HTTP {outcome.status}"
            log.info("a sink fails", origin=origin.key, error=error, pause_seconds=seconds)
            self.metrics.circuits_opened.inc()
        self._put_back(origin, timedelta(seconds=seconds))
        if not quick_error:  # queues that met with a quick error wait by themselves
            self._aside(self._defer(origin, seconds))

    def _aside(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(self._alone(work))
        self._side.add(task)
        task.add_done_callback(self._side.discard)

    async def _alone(self, work: Coroutine[None, None, None]) -> None:
        """One at a time: however many circuits open, one connection is used for it."""
        async with self._aside_lock:
            await work

    def _put_back(self, origin: SinkHost, delay: timedelta = timedelta(0)) -> None:
        """Return the queues that wait for an origin, untried."""
        while origin.waiting:
            queue = origin.waiting.popleft()
            self._recorder.put(
                deliveries.QueueResult(
                    bucket=queue.bucket,
                    id=queue.id,
                    claimed=queue.lane_next,
                    next=queue.lane_next,
                    delay=delay,
                    tried=(),
                )
            )

    async def _defer(self, origin: SinkHost, seconds: float) -> None:
        """Take the due queues of a dead origin out of the way of the others'."""
        delay = timedelta(seconds=seconds)
        owned = sorted(self.leases.owned())
        with contextlib.suppress(StoreUnavailable, asyncpg.PostgresError):
            await deliveries.defer(self._db, owned, origin.account, origin.key, delay, _SPREAD, busy=self._held.ids)

    async def _release_queues(self, origin: SinkHost) -> None:
        """An origin is back: its queues need not wait any longer, except where a sink asked for much patience."""
        owned = sorted(self.leases.owned())
        with contextlib.suppress(StoreUnavailable, asyncpg.PostgresError):
            await deliveries.release(self._db, owned, origin.account, origin.key, _HORIZON, busy=self._held.ids)
        self.wake()

    def _recorded(self, results: Sequence[QueueResult], more: bool) -> None:  # noqa: FBT001 - a callback
        crowded = self._held.free <= 0
        for result in results:
            crowded |= self._held.remove(result.id) in self._full_accounts
        if more or crowded or self.leases.leaving:
            self.wake()
