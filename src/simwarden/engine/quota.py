"""What applications and accounts have left of the calls that they may make in a day or a month.

The usage ledger is the truth. A worker reserves some calls ahead, in a row that says how many it holds; what is
reserved by all workers and what is counted never exceed the quota together. A call takes its place from what its worker
holds, and keeps it until it is in the ledger or comes to nothing. Of a quota that nears its end calls are reserved
singly, so that all of it can be used. What a worker that was killed held is free after seconds (`store.QUOTA_TERM`).
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import TYPE_CHECKING, Protocol

from simwarden.domain.rates import ServiceLimit, policy
from simwarden.domain.usage import OverQuota, Quota, first_day, until_next, window
from simwarden.kit.clock import now_utc
from simwarden.kit.worker import Worker
from simwarden.store import quotas as store
from simwarden.store.quotas import Reservation, Reserved

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date

    from simwarden.engine.usage import Reads
    from simwarden.store.call_limits import CallLimit
    from simwarden.store.database import Database

DAY = 86_400
"""Seconds."""
BEFORE_ALL = datetime.min.replace(tzinfo=UTC)
KEPT = 20_000
"""Applications with quotas that are remembered; the one known for longest is forgotten first."""
EVERY = 1.0
"""Seconds after which what is held is looked through: more is reserved, or it is given back."""
LEAST_LOOK = 0.05
"""Seconds: what was called in a shorter time says little of how much is called in a second."""
PART = 8
"""At most this part of what is left is reserved ahead of need."""
PAST_KNOWN = timedelta(minutes=10)
"""For so long the sum of a month's days before today is believed."""
GOOD = store.QUOTA_TERM.total_seconds() * 0.8
"""Seconds for which a reservation is used: less than it is recorded."""


class QuotaHolder(Protocol):
    """Who calls."""

    @property
    def app_key(self) -> str:
        """The application."""

    @property
    def account_id(self) -> str:
        """The tenant it belongs to."""

    @property
    def daily_quota(self) -> int | None:
        """Counted calls that the application may make in a day (UTC); None: as many as it likes."""


class QuotaBook(Protocol):
    """Knows what is counted and reserved of quotas."""

    async def reserve(self, held: HeldQuota, today: date, ahead: int, /) -> Reserved:
        """Reserve calls for those that wait and for those to come. Raises StoreUnavailable."""


class HeldQuota:
    """What this worker knows and holds of a quota."""

    def __init__(self, quota: Quota) -> None:
        self.quota = quota
        self.policy = policy(quota.name, quota.most, DAY)
        self.day: date | None = None
        self.ends = BEFORE_ALL
        """When the day is over that it is reserved in,"""
        self.renews = BEFORE_ALL
        """and when its period is."""
        self.left = 0
        """Reserved, and not taken by any call."""
        self.open = 0
        """Calls that were let through and are not answered yet."""
        self.users = 0
        """Calls that wait for a quota, this one or another one that they are held against."""
        self.waiting = 0
        self.looks = 0
        """Reservations that have begun,"""
        self.looked_at = 0.0
        """the last one at this time."""
        self.taken = 0
        """Calls since it was last reserved."""
        self.free = 0
        """What nobody had reserved then."""
        self.good_until = 0.0
        self.blocked_until = 0.0
        """Used up: the ledger need not be read before."""
        self.past = 0
        """Counted on the days of the period before today,"""
        self.past_at: datetime | None = None
        """as it was read then."""
        self.asking: asyncio.Task[None] | None = None


class StoredQuotas:
    """Reservations in PostgreSQL, beside what this process has not written to the ledger yet."""

    def __init__(self, db: Database, worker: str, reads: Reads, *, clock: Callable[[], datetime] = now_utc) -> None:
        self._db = db
        self._worker = worker
        self._reads = reads
        self._clock = clock

    async def reserve(self, held: HeldQuota, today: date, ahead: int) -> Reserved:
        """Reserve calls, exactly: nothing is written to the ledger by this process meanwhile."""
        quota = held.quota
        first = first_day(quota.period, today)
        now = self._clock()
        if first < today and (held.past_at is None or not timedelta(0) <= now - held.past_at < PAST_KNOWN):
            held.past = await store.counted(self._db, quota, first, today - timedelta(days=1))
            held.past_at = now
        async with self._reads.held_up():
            unwritten = self._reads.unwritten(quota.account_id, quota.app_key, today)
            wanted = Reservation(
                quota,
                today,
                held.past if first < today else 0,
                unwritten,
                held.open + held.left,
                held.waiting,
                ahead,
                PART,
            )
            return await store.reserve(self._db, self._worker, wanted)


class Quotas(Worker):
    """The quotas of this process's callers. Those without any are unknown here."""

    worker_name = "quotas"

    def __init__(
        self,
        book: QuotaBook,
        limits: Callable[[str], Sequence[CallLimit]] = lambda _app_key: (),
        *,
        refused: Callable[[str], None] = lambda _limit: None,
        clock: Callable[[], datetime] = now_utc,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`limits` returns what is set for an application that calls (`Rates.limits`)."""
        super().__init__()
        self._book = book
        self._limits = limits
        self._refused = refused
        self._clock = clock
        self._monotonic = monotonic
        self._held: dict[str, HeldQuota] = {}
        """By the key of the quota."""
        self._known: dict[str, tuple[Sequence[CallLimit], int | None, tuple[HeldQuota, ...]]] = {}
        """By application: what was set, and what came of it."""

    def of(self, who: QuotaHolder) -> Sequence[HeldQuota]:
        """Those that a call is held against."""
        limits, daily = self._limits(who.app_key), who.daily_quota
        if not limits and daily is None:
            return ()
        known = self._known.get(who.app_key)
        if known is None or known[0] is not limits or known[1] != daily:
            while len(self._known) >= KEPT:
                del self._known[next(iter(self._known))]
            held = tuple(self._of(quota) for quota in self._set(who, limits))
            known = self._known[who.app_key] = (limits, daily, held)
        return known[2]

    def _set(self, who: QuotaHolder, limits: Sequence[CallLimit]) -> list[Quota]:
        found = [] if who.daily_quota is None else [Quota(who.account_id, who.app_key, "daily", who.daily_quota)]
        for each in limits:
            if each.daily is not None:
                found.append(Quota(who.account_id, each.app_key, "daily", each.daily))
            if each.monthly is not None:
                found.append(Quota(who.account_id, each.app_key, "monthly", each.monthly))
        return found

    def _short(self, quotas: Sequence[HeldQuota]) -> HeldQuota | None:
        """One that no call is left of, or that is to be looked at again."""
        now, at = self._clock(), self._monotonic()
        for held in quotas:
            if held.left < 1 or held.good_until <= at or held.ends <= now:
                return held
        return None

    async def take(self, quotas: Sequence[HeldQuota]) -> None:
        """Let one more call through; then it must be settled. Raises OverQuota, StoreUnavailable."""
        while (held := self._short(quotas)) is not None:
            now, at = self._clock(), self._monotonic()
            if at < held.blocked_until and now < held.ends:
                self._refuse(held, now)
            held.waiting += 1
            looks = held.looks
            for each in quotas:
                each.users += 1
            try:
                await asyncio.shield(self._ask(held))
            finally:
                held.waiting -= 1
                for each in quotas:
                    each.users -= 1
            # A look that had begun before knew nothing of this call; and what is free may still be reserved for it.
            if held.left < 1 and held.free < 1 and held.looks > looks:
                self._refuse(held, now)
        for held in quotas:
            held.left -= 1
            held.open += 1
            held.taken += 1

    def settle(self, quotas: Sequence[HeldQuota], *, counted: bool) -> None:
        """A call that was let through is over; `counted`: it is, or will be, in the ledger."""
        for held in quotas:
            held.open -= 1
            held.left += not counted

    def shown(self, quotas: Sequence[HeldQuota]) -> list[ServiceLimit]:
        """The quotas of a call as they are now."""
        now = self._clock()
        return [_shown(held, now) for held in quotas]

    async def turn(self) -> float:
        """Reserve for those who go on, give back what others hold."""
        for key, held in list(self._held.items()):
            idle = not held.taken and not held.open and not held.users
            if idle:
                if held.day is None:
                    del self._held[key]
                    self._known.clear()
                    continue
                held.left = 0
            await asyncio.shield(self._ask(held))
            if idle and not held.open and not held.left:
                held.day = None  # given back: forgotten with the next turn
        return EVERY

    def _of(self, quota: Quota) -> HeldQuota:
        held = self._held.get(quota.key)
        if held is None:
            held = self._held[quota.key] = HeldQuota(quota)
        elif held.quota.most != quota.most:
            held.quota, held.policy = quota, policy(quota.name, quota.most, window(quota.period, self._clock().date()))
            held.good_until = held.blocked_until = 0.0
        return held

    def _ask(self, held: HeldQuota) -> asyncio.Task[None]:
        # One that is done may not be heard of yet: to wait for it again and again would let nothing else run.
        if held.asking is None or held.asking.done():
            held.asking = asyncio.create_task(self._reserve(held), name="quota")
            held.asking.add_done_callback(lambda done: _heard(held, done))
        return held.asking

    async def _reserve(self, held: HeldQuota) -> None:
        held.looks += 1
        sent = self._monotonic()
        today = self._clock().astimezone(UTC).date()
        if held.day != today or held.good_until <= sent:
            held.left = 0
            if held.day is not None and held.day != today:
                held.past_at = None
        ahead = ceil(held.taken * EVERY / max(sent - held.looked_at, LEAST_LOOK))
        held.taken, held.looked_at = 0, sent
        found = await self._book.reserve(held, today, ahead)
        if held.day != today:
            quota = held.quota
            begun = datetime.combine(today, datetime.min.time(), UTC)
            held.ends = begun + timedelta(days=1)
            begun = datetime.combine(first_day(quota.period, today), datetime.min.time(), UTC)
            held.renews = begun + timedelta(seconds=window(quota.period, today))
            held.policy = policy(quota.name, quota.most, window(quota.period, today))
        held.day, held.good_until, held.free = today, sent + GOOD, max(0, found.free)
        held.left = max(0, held.left + found.got)
        held.blocked_until = sent + EVERY if found.used_up else 0.0

    def _refuse(self, held: HeldQuota, now: datetime) -> None:
        quota = held.quota
        self._refused(quota.name)
        wait = until_next(quota.period, now) if self._monotonic() < held.blocked_until else 1
        raise OverQuota(quota, wait, _shown(held, now))


def _shown(held: HeldQuota, now: datetime) -> ServiceLimit:
    resets = max(1, ceil((held.renews - now).total_seconds()))
    return ServiceLimit(held.quota.name, held.policy, max(0, held.left) + held.free, resets)


def _heard(held: HeldQuota, done: asyncio.Task[None]) -> None:
    if held.asking is done:
        held.asking = None
    if not done.cancelled():
        done.exception()  # heard, also when the caller has gone
