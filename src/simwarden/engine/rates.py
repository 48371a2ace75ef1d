"""How often applications may call, over all workers: each call takes a token from every bucket that it is held against.

A worker holds tokens ahead of need (`domain.rates`), so most calls cost no statement. When half of what it holds is
used it draws again behind the calls; a call that finds nothing waits for that, and is refused when there is nothing to
be drawn. An application that makes few calls, or a limit of few, may wait for a statement with each call. While the
database cannot be used, calls beyond what is held are answered 503; a standby, which cannot write, limits each worker
by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from math import ceil
from typing import TYPE_CHECKING, Protocol

import msgspec

from simwarden.domain.errors import ReadOnly, StoreUnavailable
from simwarden.domain.rates import Level, Need, OverLimit, RateLimit, ServiceLimit, draw, policy, until_next
from simwarden.kit.batcher import Batcher
from simwarden.kit.clock import now_utc
from simwarden.kit.worker import ended
from simwarden.store import call_limits as store
from simwarden.store.call_limits import Ask, CallLimit, Drawn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simwarden.store.database import Database

KEPT = 20_000
"""Applications of which a worker remembers what they may call; the one read first is forgotten first."""
READ_AFTER = 60.0
"""Seconds after which limits are read again, should a notification have been lost."""
REST = 0.1
"""Least seconds between two draws from a bucket that had nothing."""
DEMAND = 0.5
"""A worker draws as much ahead as was called in so many seconds,"""
LEAST_AHEAD = 8
"""but so much at least."""
MOST_DRAWS = 200
"""Buckets that are drawn from in one transaction."""
TOKENS_KEPT = store.TERM.total_seconds() * 0.9
"""Seconds for which drawn tokens are good: less than they are recorded as held."""


class LimitedCaller(Protocol):
    """Who calls."""

    @property
    def app_key(self) -> str:
        """The application."""

    @property
    def account_id(self) -> str:
        """The tenant it belongs to."""


class DefaultRates(msgspec.Struct, frozen=True):
    """What an application may call where nothing is set for it, in calls a second."""

    calls: RateLimit
    subscriptions: RateLimit
    """Calls that make a subscription."""


class _Bucket:
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
        self.low = 0
        """When fewer are left, it is time to draw."""
        self.good_until = 0.0
        self.blocked_until = 0.0
        """There is nothing to be drawn before."""
        self.again_at = 0.0
        """Before, nothing is drawn behind the calls."""
        self.level: Level | None = None
        """Of the stored bucket, when it was drawn from last."""
        self.seen_at = 0.0
        self.spent = 0
        """Calls since then."""
        self.waiting = 0
        self.asking: asyncio.Task[None] | None = None


class Rates:
    """The rate limits of this process's callers."""

    def __init__(
        self,
        db: Database,
        worker: str,
        defaults: DefaultRates,
        *,
        heir_of: Sequence[str] = (),
        refused: Callable[[str], None] = lambda _limit: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`worker`: a name that no other process has or had; `heir_of`: those of workers that are known to be dead.

        `refused(limit)` is called for each call that is refused.
        """
        self._db = db
        self._worker = worker
        self._heir_of = tuple(heir_of)
        self._task: asyncio.Task[None] | None = None
        self._defaults = defaults
        self._refused = refused
        self._clock = clock
        self._plans: dict[str, _Plan] = {}
        self._buckets: dict[str, _Bucket] = {}
        self._draws = _Draws(db, worker, clock)

    def start(self) -> None:
        """Free what dead workers held."""
        self._task = asyncio.create_task(self._inherit(), name="inherit-tokens")

    async def stop(self) -> None:
        """Free what this one holds, if the database can be used."""
        if self._task is not None:
            await ended(self._task)
        self._buckets.clear()
        self._plans.clear()
        await self._draws.drain()
        with contextlib.suppress(StoreUnavailable):
            await store.leave(self._db, [self._worker])

    async def _inherit(self) -> None:
        if self._heir_of:
            with contextlib.suppress(StoreUnavailable):  # else it is free when its term is over
                await store.leave(self._db, self._heir_of)

    def spend(self, app_key: str, api: str, operation: str) -> bool:
        """Take the tokens of one call, if they are at hand; else nothing is taken, and `admit` is to be asked."""
        plan = self._plans.get(app_key)
        buckets = plan and plan.buckets.get((api, operation))
        if not buckets:
            return False
        now = self._clock()
        for bucket in buckets:
            if bucket.left < 1 or bucket.good_until <= now:
                return False
        self._take(buckets, now)
        return True

    async def admit(self, who: LimitedCaller, api: str, operation: str, *, subscribes: bool = False) -> None:
        """Take the tokens of one call, drawing more. Raises OverLimit, StoreUnavailable."""
        plan = self._plans.get(who.app_key)
        if plan is None or self._clock() - plan.read_at > READ_AFTER:
            plan = await self._read(who)
        buckets = plan.buckets.get((api, operation))
        if buckets is None:
            buckets = plan.buckets[api, operation] = self._against(plan, who, api, operation, subscribes=subscribes)
        while True:
            now = self._clock()
            short = next((each for each in buckets if each.left < 1 or each.good_until <= now), None)
            if short is None:
                self._take(buckets, now)
                return
            if now < short.blocked_until:
                self._refuse(short, now)
            short.waiting += 1
            try:
                await asyncio.shield(self._ask(short))
            finally:
                short.waiting -= 1

    def limits(self, app_key: str) -> Sequence[CallLimit]:
        """What is set for the calls of an application that has called, quotas too."""
        plan = self._plans.get(app_key)
        return () if plan is None else plan.limits

    def shown(self, app_key: str, api: str, operation: str) -> Sequence[ServiceLimit]:
        """The limits that a call was held against, as they are now; empty where nothing was set for the application."""
        plan = self._plans.get(app_key)
        if plan is None or not plan.limits:
            return ()
        now = self._clock()
        return [self._shown(bucket, now) for bucket in plan.buckets.get((api, operation), ())]

    def invalidate(self, account_id: str) -> None:
        """Read the limits of an account ("": of all) anew with the next call."""
        for app_key in [key for key, plan in self._plans.items() if account_id in ("", plan.account_id)]:
            del self._plans[app_key]

    def _take(self, buckets: Sequence[_Bucket], now: float) -> None:
        for bucket in buckets:
            bucket.left -= 1
            bucket.spent += 1
            if bucket.left < bucket.low and now >= bucket.again_at and bucket.asking is None:
                self._ask(bucket)

    def _ask(self, bucket: _Bucket) -> asyncio.Task[None]:
        if bucket.asking is None:
            bucket.asking = asyncio.create_task(self._draw(bucket), name="tokens")
            bucket.asking.add_done_callback(lambda done: _heard(bucket, done))
        return bucket.asking

    async def _draw(self, bucket: _Bucket) -> None:
        drawn = await self._draws.submit(bucket)
        now = self._clock()
        bucket.level, bucket.seen_at = drawn.level, now
        if bucket.left < 1 and drawn.level.tokens < 1:  # else only none was to be had ahead of need
            bucket.blocked_until = now + max(REST, drawn.wait)
        bucket.again_at = now + REST if drawn.level.tokens < 1 else 0.0

    def _refuse(self, bucket: _Bucket, now: float) -> None:
        self._refused(bucket.name)
        wait = max(1, ceil(bucket.blocked_until - now))
        text = f"Rejected due to request rate limit overpassed: {bucket.name}, {bucket.limit}."
        raise OverLimit(text, wait, self._shown(bucket, now))

    def _shown(self, bucket: _Bucket, now: float) -> ServiceLimit:
        limit, level = bucket.limit, bucket.level
        there = 0.0 if level is None else level.tokens + limit.rate * (now - bucket.seen_at)
        left = max(0, min(limit.burst, bucket.left + int(there)))
        return ServiceLimit(bucket.name, bucket.policy, left, ceil((limit.burst - left) / limit.rate))

    async def _read(self, who: LimitedCaller) -> _Plan:
        limits = await store.of_application(self._db, who.account_id, who.app_key)
        while len(self._plans) >= KEPT:
            del self._plans[next(iter(self._plans))]
        plan = self._plans[who.app_key] = _Plan(who.account_id, limits, self._clock())
        return plan

    def _against(
        self, plan: _Plan, who: LimitedCaller, api: str, operation: str, *, subscribes: bool
    ) -> tuple[_Bucket, ...]:
        """The buckets of a call: of all that is set, and of the defaults where nothing is set for the application."""
        applying = [each for each in plan.limits if each.api in ("", api) and each.operation in ("", operation)]
        found = {(each.app_key, each.api, each.operation): limit for each in applying if (limit := each.limit)}
        buckets = [
            self._bucket(who.account_id, f"{who.account_id}/{'/'.join(key)}", _name(*key), limit)
            for key, limit in found.items()
        ]
        own = f"{who.account_id}/{who.app_key}"
        if (who.app_key, "", "") not in found:
            buckets.append(self._bucket(who.account_id, f"{own}//", "application", self._defaults.calls))
        if subscribes and not any(key[0] and key[1] for key in found):
            buckets.append(self._bucket(who.account_id, f"{own}//*", "subscriptions", self._defaults.subscriptions))
        return tuple(buckets)

    def _bucket(self, account_id: str, key: str, name: str, limit: RateLimit) -> _Bucket:
        bucket = self._buckets.get(key)
        if bucket is None or bucket.limit != limit:
            while len(self._buckets) >= 4 * KEPT:
                del self._buckets[next(iter(self._buckets))]
            bucket = self._buckets[key] = _Bucket(account_id, key, name, limit)
        return bucket


class _Plan:
    """What is known of an application."""

    def __init__(self, account_id: str, limits: Sequence[CallLimit], read_at: float) -> None:
        self.account_id = account_id
        self.limits = limits
        self.read_at = read_at
        self.buckets: dict[tuple[str, str], tuple[_Bucket, ...]] = {}
        """By API and operation."""


class _Draws(Batcher[_Bucket, Drawn]):
    """Draws from the stored buckets, those that are asked for at the same time in one transaction."""

    batcher_name = "tokens"

    def __init__(self, db: Database, worker: str, clock: Callable[[], float]) -> None:
        super().__init__(most=MOST_DRAWS)
        self._db = db
        self._worker = worker
        self._clock = clock

    def key(self, item: _Bucket) -> str:
        """One draw from a bucket at a time: a bucket whose limit changed has the key of the one before."""
        return item.key

    async def write(self, items: Sequence[_Bucket]) -> Sequence[Drawn]:
        """Draw, and put what was drawn into the workers' hands."""
        sent = self._clock()
        needs = [_need(each, sent) for each in items]
        asks = [Ask(each.account_id, each.key, each.limit, need) for each, need in zip(items, needs, strict=True)]
        try:
            drawn = await store.draw_all(self._db, self._worker, asks)
        except ReadOnly:
            drawn = [_alone(each, need) for each, need in zip(items, needs, strict=True)]
        for bucket, need, found in zip(items, needs, drawn, strict=True):
            if bucket.good_until <= sent:
                bucket.left = 0
            bucket.left += found.got
            bucket.low = min(bucket.left, need.at_hand + found.got) // 2
            bucket.good_until = sent + TOKENS_KEPT
            bucket.spent = 0
        return drawn


def _need(bucket: _Bucket, now: float) -> Need:
    at_hand = bucket.left if bucket.good_until > now else 0
    seconds = max(now - bucket.seen_at, DEMAND / 10)
    return Need(at_hand, bucket.waiting, max(LEAST_AHEAD, int(bucket.spent * DEMAND / seconds)))


def _alone(bucket: _Bucket, need: Need) -> Drawn:
    """A draw by a worker that cannot write: from the bucket as if no other worker drew from it."""
    level, got = draw(bucket.limit, bucket.level, now_utc(), need.at_hand, 0, need)
    return Drawn(got, level, until_next(bucket.limit, level))


def _heard(bucket: _Bucket, done: asyncio.Task[None]) -> None:
    bucket.asking = None
    if not done.cancelled():
        done.exception()  # heard, also where nobody waits for it


def _name(app_key: str, api: str, operation: str) -> str:
    """What a client calls a limit."""
    return "-".join(filter(None, ("application" if app_key else "account", api, operation)))
