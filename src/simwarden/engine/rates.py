"""How often applications may call, over all workers: each call takes a token from every bucket that it is held against.

The buckets are those of `engine.buckets`, so most calls cost no statement. An application that makes few calls, or a
limit of few, may wait for a statement with each call. While the database cannot be used, calls beyond what is held are
answered 503; a standby, which cannot write, limits each worker by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from simwarden.domain.errors import StoreUnavailable
from simwarden.domain.rates import OverLimit, RateLimit, ServiceLimit
from simwarden.store import call_limits as store

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simwarden.engine.buckets import Bucket, Buckets
    from simwarden.store.call_limits import CallLimit
    from simwarden.store.database import Database

KEPT = 20_000
"""Applications of which a worker remembers what they may call; the one read first is forgotten first."""
READ_AFTER = 60.0
"""Seconds after which limits are read again, should a notification have been lost."""


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


class Rates:
    """The rate limits of this process's callers."""

    def __init__(
        self,
        db: Database,
        buckets: Buckets,
        defaults: DefaultRates,
        *,
        refused: Callable[[str], None] = lambda _limit: None,
    ) -> None:
        """`refused(limit)` is called for each call that is refused."""
        self._db = db
        self._buckets = buckets
        self._clock, self._spend = buckets.clock, buckets.spend
        self._defaults = defaults
        self._refused = refused
        self._plans: dict[str, _Plan] = {}

    def spend(self, app_key: str, api: str, operation: str) -> bool:
        """Take the tokens of one call, if they are at hand; else nothing is taken, and `admit` is to be asked."""
        plan, now = self._plans.get(app_key), self._clock()
        if plan is None or now > plan.until:
            return False
        buckets = plan.buckets.get((api, operation))
        return buckets is not None and self._spend(buckets, now)

    async def admit(self, who: LimitedCaller, api: str, operation: str, *, subscribes: bool = False) -> None:
        """Take the tokens of one call, drawing more. Raises OverLimit, StoreUnavailable."""
        plan = self._plans.get(who.app_key)
        if plan is None or self._clock() > plan.until:
            plan = await self._read(who, plan)
        buckets = plan.buckets.get((api, operation))
        if buckets is None:
            buckets = plan.buckets[api, operation] = self._against(plan, who, api, operation, subscribes=subscribes)
        try:
            await self._buckets.admit(buckets)
        except OverLimit as error:
            self._refused(error.limit.name)
            raise

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
        return [self._buckets.shown(bucket, now) for bucket in plan.buckets.get((api, operation), ())]

    def invalidate(self, account_id: str) -> None:
        """Read the limits of an account ("": of all) anew with the next call."""
        for app_key in [key for key, plan in self._plans.items() if account_id in ("", plan.account_id)]:
            del self._plans[app_key]

    async def _read(self, who: LimitedCaller, old: _Plan | None) -> _Plan:
        """What is set now. While the database cannot say it, what was set a while ago counts."""
        if old is not None:
            old.until = self._clock() + READ_AFTER  # one call reads; the others go by what is known
        try:
            limits = await store.of_application(self._db, who.account_id, who.app_key)
        except StoreUnavailable:
            if old is None:
                raise
            return old
        if old is not None and limits == old.limits:
            return old
        while len(self._plans) >= KEPT:
            del self._plans[next(iter(self._plans))]
        plan = self._plans[who.app_key] = _Plan(who.account_id, limits, self._clock() + READ_AFTER)
        return plan

    def _against(
        self, plan: _Plan, who: LimitedCaller, api: str, operation: str, *, subscribes: bool
    ) -> tuple[Bucket, ...]:
        """The buckets of a call: of all that is set, and of the defaults where nothing is set for the application."""
        applying = [each for each in plan.limits if each.api in ("", api) and each.operation in ("", operation)]
        found = {(each.app_key, each.api, each.operation): limit for each in applying if (limit := each.limit)}
        bucket = self._buckets.bucket
        buckets = [
            bucket(who.account_id, f"{who.account_id}/{'/'.join(key)}", _name(*key), limit)
            for key, limit in found.items()
        ]
        own = f"{who.account_id}/{who.app_key}"
        if (who.app_key, "", "") not in found:
            buckets.append(bucket(who.account_id, f"{own}//", "application", self._defaults.calls))
        if subscribes and not any(key[0] and key[1] for key in found):
            buckets.append(bucket(who.account_id, f"{own}//*", "subscriptions", self._defaults.subscriptions))
        return tuple(buckets)


class _Plan:
    """What is known of an application."""

    __slots__ = ("account_id", "buckets", "limits", "until")

    def __init__(self, account_id: str, limits: Sequence[CallLimit], until: float) -> None:
        self.account_id = account_id
        self.limits = limits
        self.until = until
        """When it is to be read again."""
        self.buckets: dict[tuple[str, str], tuple[Bucket, ...]] = {}
        """By API and operation."""


def _name(app_key: str, api: str, operation: str) -> str:
    """What a client calls a limit."""
    return "-".join(filter(None, ("application" if app_key else "account", api, operation)))
