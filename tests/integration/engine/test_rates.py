"""Rate limits on PostgreSQL: several workers on one database, workers that die, limits that change, outages."""

from __future__ import annotations

import asyncio
import time
from datetime import date
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from simwarden.accounts import applications
from simwarden.domain.errors import ReadOnly, StoreUnavailable
from simwarden.domain.rates import Need, OverLimit, RateLimit
from simwarden.domain.usage import Quota
from simwarden.engine.buckets import Buckets
from simwarden.engine.rates import READ_AFTER, DefaultRates, Rates
from simwarden.store import call_limits, quotas
from simwarden.store.accounts import Accounts
from simwarden.store.call_limits import CallLimit
from simwarden.store.quotas import Reservation

if TYPE_CHECKING:
    from simwarden.store.database import Database

API, BIND, SUBSCRIBE = "iot-sim-fraud-prevention", "bind", "createSubscription"
SLOW = DefaultRates(RateLimit(0.01, 40), RateLimit(0.01, 4))


class Caller(msgspec.Struct, frozen=True):
    """Who calls."""

    app_key: str
    account_id: str


class Desk:
    """Workers on one database, and one application."""

    def __init__(self, db: Database, who: Caller) -> None:
        self.db = db
        self.who = who
        self.refused: list[str] = []
        self.buckets: dict[str, Buckets] = {}
        """By worker."""

    def worker(self, name: str, defaults: DefaultRates = SLOW, **options: Any) -> Rates:
        self.buckets[name] = Buckets(self.db, name, **options)
        return Rates(self.db, self.buckets[name], defaults, refused=self.refused.append)

    async def call(self, rates: Rates, operation: str = BIND, who: Caller | None = None) -> bool:
        caller = who or self.who
        if rates.spend(caller.app_key, API, operation):
            return True
        try:
            await rates.admit(caller, API, operation, subscribes=operation == SUBSCRIBE)
        except OverLimit:
            return False
        return True

    async def calls(self, rates: Rates, times: int, operation: str = BIND) -> int:
        return sum(await asyncio.gather(*(self.call(rates, operation) for _ in range(times))))


@pytest.fixture
async def desk(database: Database) -> Desk:
    account = await applications.open_account(Accounts(database), "meters")
    return Desk(database, Caller("swk_meters", account.id))


async def test_workers_together_let_no_more_through_than_one(desk: Desk) -> None:
    limit = RateLimit(50.0, 100)
    workers = [desk.worker(f"w{n}", defaults=DefaultRates(limit, limit)) for n in range(3)]
    begun = time.monotonic()
    through = 0
    async with asyncio.timeout(60):
        while time.monotonic() - begun < 0.7 or through < 2 * limit.burst:
            through += sum(await asyncio.gather(*(desk.calls(each, 20) for each in workers)))
            await asyncio.sleep(0.02)
    assert 2 * limit.burst <= through <= limit.burst + limit.rate * (time.monotonic() - begun)
    assert desk.refused


async def test_most_calls_cost_no_statement(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    draws: list[int] = []
    draw_all = call_limits.draw_all

    async def counted(db: Database, worker: str, asks: Any, *more: Any) -> Any:
        draws.append(len(asks))
        return await draw_all(db, worker, asks, *more)

    monkeypatch.setattr(call_limits, "draw_all", counted)
    limit = RateLimit(1000.0, 2000)
    rates = desk.worker("w", defaults=DefaultRates(limit, limit))
    assert sum([await desk.call(rates) for _ in range(500)]) == 500
    assert len(draws) <= 25
    await desk.buckets["w"].stop()


async def test_a_burst_is_there_and_then_refused_with_the_limit_named(desk: Desk) -> None:
    rates = desk.worker("w")
    assert await desk.calls(rates, 50) == 40
    with pytest.raises(OverLimit, match=r"application, 0\.6 calls a minute, 40 at once") as caught:
        await rates.admit(desk.who, API, BIND)
    limit = caught.value.limit
    assert caught.value.retry_after in range(50, 101)
    assert (limit.policy, limit.left) == ('"application";q=40;w=4000', 0)
    assert rates.shown(desk.who.app_key, API, BIND) == (), "nothing was set for it"
    assert desk.refused == ["application"] * 11


async def test_subscriptions_have_a_limit_of_their_own(desk: Desk) -> None:
    rates = desk.worker("w")
    assert await desk.calls(rates, 10, SUBSCRIBE) == 4
    assert await desk.calls(rates, 50) == 36, "they are calls too"


async def test_what_a_dead_worker_held_is_its_heirs(desk: Desk) -> None:
    dead = desk.worker("dead")
    assert await desk.call(dead)
    heir = desk.worker("heir", heir_of=["dead"])
    desk.buckets["heir"].start()
    async with asyncio.timeout(60):
        while await desk.db.fetchval("select count(*) from call_hold"):  # noqa: ASYNC110 - the database tells nobody
            await asyncio.sleep(0.01)
    assert await desk.calls(heir, 50) == 34, "but not what it drew: those tokens are gone"
    await desk.buckets["heir"].stop()
    assert await desk.db.fetchval("select count(*) from call_hold") == 0


async def test_what_is_set_counts_for_the_application_the_account_and_the_operation(desk: Desk) -> None:
    for wanted in (
        CallLimit(app_key=desk.who.app_key, rate=0.01, burst=30),
        CallLimit(app_key=desk.who.app_key, api=API, operation=BIND, rate=0.01, burst=5),
        CallLimit(api=API, rate=0.01, burst=12),
        CallLimit(app_key="swk_other", rate=0.01, burst=2),
        CallLimit(api="device-swap", rate=0.01, burst=2),
        CallLimit(app_key=desk.who.app_key, api=API, operation="unbind", rate=0.01, burst=2),
        CallLimit(daily=1),
    ):
        await call_limits.change(desk.db, desk.who.account_id, wanted)
    rates = desk.worker("w")
    assert await desk.calls(rates, 20) == 5
    shown = {
        each.name: (int(each.policy.split(";")[1][2:]), each.left) for each in rates.shown(desk.who.app_key, API, BIND)
    }
    assert shown == {
        "account-iot-sim-fraud-prevention": (12, 7),
        "application": (30, 25),
        "application-iot-sim-fraud-prevention-bind": (5, 0),
    }
    assert await desk.calls(rates, 20, "query") == 7, "what the account may call this API is used up"
    other = Caller("swk_third", desk.who.account_id)
    assert not await desk.call(rates, "query", other)
    assert await desk.call(rates, "query", Caller("swk_else", "acc_else"))


async def test_a_change_holds_at_once_and_a_limit_taken_away_is_gone(desk: Desk) -> None:
    rates = desk.worker("w")
    assert await desk.calls(rates, 50) == 40
    limit = CallLimit(app_key=desk.who.app_key, rate=1000.0, burst=2000)
    await call_limits.change(desk.db, desk.who.account_id, limit)
    rates.invalidate(desk.who.account_id)
    async with asyncio.timeout(60):
        while not await desk.call(rates):  # noqa: ASYNC110 - a matter of time, as it says
            await asyncio.sleep(0.05)
    await call_limits.remove(desk.db, desk.who.account_id, limit)
    with pytest.raises(call_limits.LimitNotFound):
        await call_limits.remove(desk.db, desk.who.account_id, limit)
    rates.invalidate("")
    assert rates.shown(desk.who.app_key, API, BIND) == ()


async def test_limits_are_read_again_though_nobody_says_that_they_changed(desk: Desk) -> None:
    """A notification may be lost; an application that calls steadily never has to draw in front of a call."""
    now = 0.0
    limit = RateLimit(1000.0, 2000)
    rates = desk.worker("w", DefaultRates(limit, limit), clock=lambda: now)
    assert await desk.call(rates)
    await call_limits.change(desk.db, desk.who.account_id, CallLimit(app_key=desk.who.app_key, rate=0.01, burst=2))
    assert await desk.calls(rates, 3) == 3
    now = READ_AFTER + 1
    assert [await desk.call(rates) for _ in range(5)].count(True) <= 2


async def test_an_outage_when_limits_are_to_be_read_again_leaves_those_that_are_known(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    limit = RateLimit(1000.0, 2000)
    rates = desk.worker("w", DefaultRates(limit, limit), clock=lambda: now)
    assert await desk.call(rates)

    async def away(*_: Any) -> Any:
        raise StoreUnavailable

    monkeypatch.setattr(call_limits, "of_application", away)
    now = READ_AFTER + 1
    assert await desk.calls(rates, 5) == 5
    with pytest.raises(StoreUnavailable):
        await desk.call(rates, who=Caller("swk_unknown", desk.who.account_id))


async def test_an_outage_lets_nothing_through_beyond_what_is_held(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    rates = desk.worker("w")
    assert await desk.call(rates)

    async def away(*_: Any) -> Any:
        raise StoreUnavailable

    monkeypatch.setattr(call_limits, "draw_all", away)
    assert [await desk.call(rates) for _ in range(5)] == [True] * 5, "an eighth of 40 is held"
    with pytest.raises(StoreUnavailable):
        await desk.call(rates)


async def test_a_worker_of_a_standby_limits_by_itself(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    async def standby(*_: Any) -> Any:
        raise ReadOnly

    monkeypatch.setattr(call_limits, "draw_all", standby)
    assert [await desk.calls(desk.worker(name), 50) for name in ("a", "b")] == [40, 40]


async def test_of_an_account_that_is_gone_nothing_is_written_down(desk: Desk) -> None:
    """Nothing would delete it again; a call may be under way while its account is deleted."""
    need, limit = Need(at_hand=0, waiting=1, ahead=5), RateLimit(1.0, 10)
    asks = [call_limits.Ask(id_, f"{id_}/app", limit, need) for id_ in ("acc_gone", desk.who.account_id)]
    drawn = await call_limits.draw_all(desk.db, "w", asks)
    assert [each.got > 0 for each in drawn] == [True, True]
    wanted = Reservation(Quota("acc_gone", "", "daily", 10), date(2026, 11, 22), 0, 0, 0, 1, 5, 8)
    assert (await quotas.reserve(desk.db, "w", wanted)).got > 0
    for table in ("call_allowance", "call_hold"):
        rows = await desk.db.fetch(f"select key from {table}")
        assert [row["key"] for row in rows] == [f"{desk.who.account_id}/app"], table
