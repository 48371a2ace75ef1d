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
from typing import TYPE_CHECKING, Protocol

from simwarden.domain.rates import ServiceLimit
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

EVERY = 1.0
"""Seconds after which what is held is looked through: more is reserved, or it is given back."""
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

    async def reserve(self, held: _Held, today: date, ahead: int, /) -> Reserved:
        """Reserve calls for those that wait and for those to come. Raises StoreUnavailable."""


class _Held:
    """What this worker knows and holds of a quota."""

    def __init__(self, quota: Quota) -> None:
        self.quota = quota
        self.day: date | None = None
        self.left = 0
        """Reserved, and not taken by any call."""
        self.open = 0
        """Calls that were let through and are not answered yet."""
        self.waiting = 0
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

    async def reserve(self, held: _Held, today: date, ahead: int) -> Reserved:
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
        self._held: dict[str, _Held] = {}
        """By the key of the quota."""

    def of(self, who: QuotaHolder) -> Sequence[Quota]:
        """Those that a call is held against."""
        limits = self._limits(who.app_key)
        if not limits and who.daily_quota is None:
            return ()
        found = [] if who.daily_quota is None else [Quota(who.account_id, who.app_key, "daily", who.daily_quota)]
        for each in limits:
            if each.daily is not None:
                found.append(Quota(who.account_id, each.app_key, "daily", each.daily))
            if each.monthly is not None:
                found.append(Quota(who.account_id, each.app_key, "monthly", each.monthly))
        return found

    async def take(self, quotas: Sequence[Quota]) -> None:
        """Let one more call through; then it must be settled. Raises OverQuota, StoreUnavailable."""
        found = [self._of(quota) for quota in quotas]
        while True:
            # One may have been forgotten while this call waited for another.
            found = [self._held.setdefault(held.quota.key, held) for held in found]
            now, at = self._clock().astimezone(UTC), self._monotonic()
            held = next((each for each in found if not _has(each, now.date(), at)), None)
            if held is None:
                break
            if held.day == now.date() and at < held.blocked_until:
                self._refuse(held, now)
            held.waiting += 1
            try:
                await asyncio.shield(self._ask(held))
            finally:
                held.waiting -= 1
            if held.left < 1 and held.free < 1:  # else it came too late to be reserved for with the others
                self._refuse(held, now)
        for held in found:
            held.left -= 1
            held.open += 1
            held.taken += 1

    def settle(self, quotas: Sequence[Quota], *, counted: bool) -> None:
        """A call that was let through is over; `counted`: it is, or will be, in the ledger."""
        for quota in quotas:
            held = self._held[quota.key]
            held.open -= 1
            held.left += not counted

    def shown(self, who: QuotaHolder) -> list[ServiceLimit]:
        """The quotas of a call as they are now."""
        now = self._clock().astimezone(UTC)
        return [self._shown(held, now) for quota in self.of(who) if (held := self._held.get(quota.key))]

    async def turn(self) -> float:
        """Reserve for those who go on, give back what others hold."""
        for key, held in list(self._held.items()):
            idle = not held.taken and not held.open and not held.waiting
            if idle:
                if held.day is None:
                    del self._held[key]
                    continue
                held.left = 0
            await asyncio.shield(self._ask(held))
            if idle and not held.open and not held.left:
                held.day = None  # given back: forgotten with the next turn
        return EVERY

    def _of(self, quota: Quota) -> _Held:
        held = self._held.get(quota.key)
        if held is None:
            held = self._held[quota.key] = _Held(quota)
        elif held.quota.most != quota.most:
            held.quota = quota
            held.good_until = held.blocked_until = 0.0
        return held

    def _ask(self, held: _Held) -> asyncio.Task[None]:
        if held.asking is None:
            held.asking = asyncio.create_task(self._reserve(held), name="quota")
            held.asking.add_done_callback(lambda done: _heard(held, done))
        return held.asking

    async def _reserve(self, held: _Held) -> None:
        sent = self._monotonic()
        today = self._clock().astimezone(UTC).date()
        if held.day != today or held.good_until <= sent:
            held.left = 0
            if held.day is not None and held.day != today:
                held.past_at = None
        ahead, held.taken = held.taken, 0
        found = await self._book.reserve(held, today, ahead)
        held.day, held.good_until, held.free = today, sent + GOOD, max(0, found.free)
        held.left = max(0, held.left + found.got)
        held.blocked_until = sent + EVERY if found.used_up else 0.0

    def _refuse(self, held: _Held, now: datetime) -> None:
        quota = held.quota
        self._refused(quota.name)
        wait = until_next(quota.period, now) if self._monotonic() < held.blocked_until else 1
        raise OverQuota(quota, wait, self._shown(held, now))

    def _shown(self, held: _Held, now: datetime) -> ServiceLimit:
        quota = held.quota
        seconds, left = window(quota.period, now.date()), max(0, held.left) + held.free
        return ServiceLimit(quota.name, quota.most, seconds, left, until_next(quota.period, now))


def _has(held: _Held, today: date, at: float) -> bool:
    return held.left > 0 and held.day == today and held.good_until > at


def _heard(held: _Held, done: asyncio.Task[None]) -> None:
    held.asking = None
    if not done.cancelled():
        done.exception()  # heard, also when the caller has gone
