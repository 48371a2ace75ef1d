"""Buckets of tokens that all workers draw from, as one worker uses them.

A worker holds tokens ahead of need (`domain.rates`), so most of what takes one costs no statement. When half of what it
holds is used it draws again behind those who take; who finds nothing waits for that, and is refused when there is
nothing to be drawn. A standby, which cannot write, draws as if there were no other worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from math import ceil
from typing import TYPE_CHECKING

from simwarden.domain.errors import ReadOnly, StoreUnavailable
from simwarden.domain.rates import Level, Need, OverLimit, RateLimit, ServiceLimit, draw, policy, until_next
from simwarden.kit.batcher import Batcher
from simwarden.kit.clock import now_utc
from simwarden.kit.worker import ended
from simwarden.store import call_limits as store
from simwarden.store.call_limits import Ask, Drawn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import timedelta

    from simwarden.store.database import Database

KEPT = 80_000
"""Buckets that a worker remembers; the one made first is forgotten first."""
REST = 0.1
"""Least seconds between two draws from a bucket that had nothing."""
DEMAND = 0.5
"""A worker draws as much ahead as was taken in so many seconds,"""
LEAST_AHEAD = 8
"""but so much at least, unless it is made for others."""
MOST_DRAWS = 200
"""Buckets that are drawn from in one transaction."""
USED_FOR = 0.9
"""Drawn tokens are good for this part of the time for which they are recorded as held."""


class Bucket:
    """What this worker has of one bucket."""

    __slots__ = (
        "account_id",
        "again_at",
        "asking",
        "blocked_until",
        "good_until",
        "key",
        "left",
        "level",
        "limit",
        "low",
        "name",
        "policy",
        "seen_at",
        "spent",
        "waiting",
    )

    def __init__(self, account_id: str, key: str, name: str, limit: RateLimit) -> None:
        self.account_id = account_id
        self.key = key
        self.name = name
        self.limit = limit
        self.policy = policy(name, limit.burst, limit.window)
        self.left = 0
        """Below zero: so many were taken that it did not have, and are drawn first."""
        self.low = 0
        """When fewer are left, it is time to draw."""
        self.good_until = 0.0
        self.blocked_until = 0.0
        """There is nothing to be drawn before."""
        self.again_at = 0.0
        """Before, nothing is drawn behind those who take."""
        self.level: Level | None = None
        """Of the stored bucket, when it was drawn from last."""
        self.seen_at = 0.0
        self.spent = 0
        """Tokens since then."""
        self.waiting = 0
        self.asking: asyncio.Task[None] | None = None


class Buckets:
    """The buckets of one worker."""

    def __init__(
        self,
        db: Database,
        worker: str,
        *,
        heir_of: Sequence[str] = (),
        term: timedelta = store.TERM,
        least_ahead: int = LEAST_AHEAD,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`worker`: a name that no other process has or had; `heir_of`: those of workers that are known to be dead.

        `term`: for how long drawn tokens are held; `least_ahead`: how many are drawn ahead of need at least. Where many
        take a token now and then, more of both saves statements; what a server that is lost held is lost for so long.
        """
        self._db = db
        self._worker = worker
        self._heir_of = tuple(heir_of)
        self._task: asyncio.Task[None] | None = None
        self._buckets: dict[str, Bucket] = {}
        self._draws = _Draws(db, worker, term, least_ahead, clock)
        self.clock = clock

    def start(self) -> None:
        """Free what dead workers held."""
        self._task = asyncio.create_task(self._inherit(), name="inherit-tokens")

    async def stop(self) -> None:
        """Free what this one holds, if the database can be used."""
        if self._task is not None:
            await ended(self._task)
        await self._draws.drain()
        for bucket in self._buckets.values():
            bucket.left = 0
        self._buckets.clear()
        with contextlib.suppress(StoreUnavailable):
            await store.leave(self._db, [self._worker])

    async def _inherit(self) -> None:
        if self._heir_of:
            with contextlib.suppress(StoreUnavailable):  # else it is free when its term is over
                await store.leave(self._db, self._heir_of)

    def bucket(self, account_id: str, key: str, name: str, limit: RateLimit) -> Bucket:
        """The bucket of this key, made anew when its limit is another one than before."""
        bucket = self._buckets.get(key)
        if bucket is None or bucket.limit != limit:
            while len(self._buckets) >= KEPT:
                del self._buckets[next(iter(self._buckets))]
            bucket = self._buckets[key] = Bucket(account_id, key, name, limit)
        return bucket

    def spend(self, buckets: Sequence[Bucket], now: float) -> bool:
        """Take a token from each, if all are at hand; else nothing is taken, and `admit` is to be asked.

        `now`: as `clock` says.
        """
        for bucket in buckets:
            if bucket.left < 1 or bucket.good_until <= now:
                return False
        for bucket in buckets:
            left = bucket.left = bucket.left - 1
            bucket.spent += 1
            if left < bucket.low and now >= bucket.again_at and bucket.asking is None:
                self._ask(bucket)
        return True

    async def admit(self, buckets: Sequence[Bucket]) -> None:
        """Take a token from each, drawing more. Raises OverLimit, StoreUnavailable."""
        while not self.spend(buckets, now := self.clock()):
            short = next(each for each in buckets if each.left < 1 or each.good_until <= now)
            if now < short.blocked_until:
                text = f"Rejected due to request rate limit overpassed: {short.name}, {short.limit}."
                wait = max(1, ceil(short.blocked_until - now))
                raise OverLimit(text, wait, self.shown(short, now))
            short.waiting += 1
            try:
                await asyncio.shield(self._ask(short))
            finally:
                short.waiting -= 1

    def charge(self, bucket: Bucket, tokens: int) -> None:
        """Take tokens that the bucket may not have: nobody else takes one before they have been drawn."""
        bucket.left -= tokens
        bucket.spent += tokens

    def shown(self, bucket: Bucket, now: float) -> ServiceLimit:
        """What a client is told of a bucket."""
        limit, level = bucket.limit, bucket.level
        there = 0.0 if level is None else level.tokens + limit.rate * (now - bucket.seen_at)
        left = max(0, min(limit.burst, bucket.left + int(there)))
        return ServiceLimit(bucket.name, bucket.policy, left, ceil((limit.burst - left) / limit.rate))

    def _ask(self, bucket: Bucket) -> asyncio.Task[None]:
        # One that is done may not be heard of yet: to wait for it again and again would let nothing else run.
        if bucket.asking is None or bucket.asking.done():
            bucket.asking = asyncio.create_task(self._draw(bucket), name="tokens")
            bucket.asking.add_done_callback(lambda done: _heard(bucket, done))
        return bucket.asking

    async def _draw(self, bucket: Bucket) -> None:
        drawn = await self._draws.submit(bucket)
        now = self.clock()
        bucket.level, bucket.seen_at = drawn.level, now
        if bucket.left < 1 and drawn.level.tokens < 1:  # else only none was to be had ahead of need
            owed = max(0, -bucket.left) / bucket.limit.rate
            bucket.blocked_until = now + max(REST, drawn.wait + owed)
        bucket.again_at = now + REST if drawn.level.tokens < 1 else 0.0


class _Draws(Batcher[Bucket, Drawn]):
    """Draws from the stored buckets, those that are asked for at the same time in one transaction."""

    batcher_name = "tokens"

    def __init__(
        self, db: Database, worker: str, term: timedelta, least_ahead: int, clock: Callable[[], float]
    ) -> None:
        super().__init__(most=MOST_DRAWS)
        self._db = db
        self._worker = worker
        self._term = term
        self._least_ahead = least_ahead
        self._clock = clock

    def key(self, item: Bucket) -> str:
        """One draw from a bucket at a time: a bucket whose limit changed has the key of the one before."""
        return item.key

    async def write(self, items: Sequence[Bucket]) -> Sequence[Drawn]:
        """Draw, and put what was drawn into the workers' hands."""
        sent = self._clock()
        needs = [_need(each, sent, self._least_ahead) for each in items]
        asks = [Ask(each.account_id, each.key, each.limit, need) for each, need in zip(items, needs, strict=True)]
        try:
            drawn = await store.draw_all(self._db, self._worker, asks, self._term)
        except ReadOnly:
            drawn = [_alone(each, need) for each, need in zip(items, needs, strict=True)]
        for bucket, need, found in zip(items, needs, drawn, strict=True):
            if bucket.good_until <= sent:
                bucket.left = min(bucket.left, 0)
            bucket.left += found.got
            bucket.low = min(bucket.left, need.at_hand + found.got) // 2
            bucket.good_until = sent + self._term.total_seconds() * USED_FOR
            bucket.spent = 0
        return drawn


def _need(bucket: Bucket, now: float, least_ahead: int) -> Need:
    at_hand = max(0, bucket.left) if bucket.good_until > now else 0
    seconds = max(now - bucket.seen_at, DEMAND / 10)
    ahead = max(least_ahead, int(bucket.spent * DEMAND / seconds))
    return Need(at_hand, bucket.waiting + max(0, -bucket.left), ahead)


def _alone(bucket: Bucket, need: Need) -> Drawn:
    """A draw by a worker that cannot write: from the bucket as if no other worker drew from it."""
    level, got = draw(bucket.limit, bucket.level, now_utc(), need.at_hand, 0, need)
    return Drawn(got, level, until_next(bucket.limit, level))


def _heard(bucket: Bucket, done: asyncio.Task[None]) -> None:
    if bucket.asking is done:
        bucket.asking = None
    if not done.cancelled():
        done.exception()  # heard, also where nobody waits for it
