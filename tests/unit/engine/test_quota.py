"""What applications have left of their day, by a ledger that is only read once a second."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from simwarden.domain.errors import StoreUnavailable
from simwarden.domain.usage import until_tomorrow
from simwarden.engine.quota import Quotas

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
HALF_A_DAY = 12 * 3600


class Ledger:
    """What is counted, how often it was read, and the time."""

    def __init__(self) -> None:
        self.counted: dict[tuple[str, date], int] = {}
        self.readings = 0
        self.now = NOON
        self.gate = asyncio.Event()
        self.gate.set()
        self.failure: Exception | None = None

    def count(self, app_key: str = "a", calls: int = 1) -> None:
        key = app_key, self.now.date()
        self.counted[key] = self.counted.get(key, 0) + calls

    async def used(self, _account_id: str, app_key: str, day: date) -> int:
        self.readings += 1
        found = self.counted.get((app_key, day), 0)
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        return found


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def quotas(ledger: Ledger) -> Quotas:
    return Quotas(ledger.used, clock=lambda: ledger.now)


async def call(quotas: Quotas, ledger: Ledger, quota: int, app_key: str = "a", *, counted: bool = True) -> int:
    """One call from beginning to end: the seconds to wait, 0 when it was let through."""
    taken = await quotas.take("acc", app_key, quota)
    if not taken.wait:
        if counted:
            ledger.count(app_key)
        quotas.settle(taken, counted=counted)
    return taken.wait


async def test_as_many_as_the_quota_and_the_ledger_is_read_once(quotas: Quotas, ledger: Ledger) -> None:
    assert [await call(quotas, ledger, 3) for _ in range(5)] == [0, 0, 0, HALF_A_DAY, HALF_A_DAY]
    assert ledger.readings == 1
    assert await call(quotas, ledger, 1, "b") == 0, "each application has its own"


async def test_what_is_not_counted_uses_nothing_up(quotas: Quotas, ledger: Ledger) -> None:
    assert [await call(quotas, ledger, 1, counted=False) for _ in range(5)] == [0] * 5
    assert [await call(quotas, ledger, 1) for _ in range(2)] == [0, HALF_A_DAY]


async def test_calls_under_way_hold_their_place(quotas: Quotas) -> None:
    taken = await asyncio.gather(*(quotas.take("acc", "a", 3) for _ in range(5)))
    assert sorted(one.wait for one in taken) == [0, 0, 0, HALF_A_DAY, HALF_A_DAY]
    first = next(one for one in taken if not one.wait)
    quotas.settle(first, counted=False)
    assert (await quotas.take("acc", "a", 3)).wait == 0, "a place that was not used is free again"


async def test_a_second_later_what_others_counted_is_known(quotas: Quotas, ledger: Ledger) -> None:
    assert await call(quotas, ledger, 5) == 0
    ledger.count(calls=4)
    assert await call(quotas, ledger, 5) == 0, "not known yet"
    ledger.now += SECOND
    assert await call(quotas, ledger, 5) == HALF_A_DAY - 1
    assert await call(quotas, ledger, 7) == 0, "a larger quota holds at once"
    assert await call(quotas, ledger, 2) == HALF_A_DAY - 1, "and a smaller one"


async def test_the_next_day_begins_at_midnight_in_utc(quotas: Quotas, ledger: Ledger) -> None:
    ledger.now = datetime(2026, 11, 21, 23, 59, 59, 500_000, tzinfo=UTC)
    assert [await call(quotas, ledger, 1) for _ in range(2)] == [0, 1]
    ledger.now += SECOND / 2
    assert [await call(quotas, ledger, 1) for _ in range(2)] == [0, 24 * 3600]
    ledger.now -= SECOND
    assert await call(quotas, ledger, 1) == 1, "a clock that goes back finds the day as it was"


async def test_a_change_that_was_under_way_while_the_ledger_was_read_is_not_taken_twice(
    quotas: Quotas, ledger: Ledger
) -> None:
    first = await quotas.take("acc", "a", 2)
    ledger.count()  # committed, but not answered yet
    ledger.now += SECOND
    second = await quotas.take("acc", "a", 3)
    assert second.wait == 0
    quotas.settle(first, counted=True)
    quotas.settle(second, counted=True)
    assert (await quotas.take("acc", "a", 3)).wait == 0


async def test_concurrent_calls_share_one_look_and_one_failure(quotas: Quotas, ledger: Ledger) -> None:
    ledger.gate.clear()
    ledger.failure = StoreUnavailable()
    calls = [asyncio.create_task(quotas.take("acc", "a", 9)) for _ in range(5)]
    await asyncio.sleep(0)
    calls[0].cancel()
    await asyncio.sleep(0)
    ledger.gate.set()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert all(isinstance(one, StoreUnavailable) for one in results[1:])
    assert ledger.readings == 1
    ledger.failure = None
    assert await call(quotas, ledger, 1) == 0, "the next one looks again"


def test_seconds_to_midnight_are_rounded_up() -> None:
    midnight = datetime(2026, 11, 22, tzinfo=UTC)
    assert until_tomorrow(midnight) == 86_400
    assert until_tomorrow(midnight - timedelta(microseconds=1)) == 1
    assert until_tomorrow(midnight - 1.2 * SECOND) == 2
    assert until_tomorrow(NOON.astimezone(timezone(timedelta(hours=14)))) == HALF_A_DAY
