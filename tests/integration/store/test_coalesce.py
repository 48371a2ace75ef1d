"""Gathering lookups: few statements, every waiter answered, nobody's cancellation or error another's harm."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.support.patience import PATIENCE

from simwarden.store.coalesce import Coalescer

if TYPE_CHECKING:
    from collections.abc import Sequence


class Source:
    """Answers with the square of a key, once it is let."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.open = asyncio.Event()
        self.error: Exception | None = None

    async def load(self, keys: Sequence[int]) -> dict[int, int]:
        self.asked.append(list(keys))
        await self.open.wait()
        if self.error is not None:
            raise self.error
        return {key: key * key for key in keys if key >= 0}


@pytest.fixture
def source() -> Source:
    return Source()


async def _asked(source: Source, times: int) -> None:
    for _ in range(100):
        if len(source.asked) >= times:
            return
        await asyncio.sleep(0)
    pytest.fail("nobody asked")


async def test_what_is_asked_while_one_statement_runs_goes_into_the_next(source: Source) -> None:
    lookups = Coalescer(source.load)
    first = asyncio.ensure_future(lookups.get(1))
    await _asked(source, 1)
    rest = [asyncio.ensure_future(lookups.get(key)) for key in (2, 3, 2, 3, -1)]
    await asyncio.sleep(0)
    source.open.set()
    assert await first == 1
    assert await asyncio.gather(*rest) == [4, 9, 4, 9, None]
    assert source.asked == [[1], [2, 3, -1]]


async def test_a_value_is_not_kept(source: Source) -> None:
    source.open.set()
    lookups = Coalescer(source.load)
    assert [await lookups.get(5), await lookups.get(5)] == [25, 25]
    assert source.asked == [[5], [5]]


async def test_a_question_asked_after_its_statement_began_is_asked_again(source: Source) -> None:
    """Who writes and then reads must not get what was read before the write."""
    lookups = Coalescer(source.load)
    early = asyncio.ensure_future(lookups.get(5))
    await _asked(source, 1)
    later = asyncio.ensure_future(lookups.get(5))
    await asyncio.sleep(0)
    source.open.set()
    await asyncio.gather(early, later)
    assert source.asked == [[5], [5]]


async def test_a_statement_holds_no_more_than_the_most(source: Source) -> None:
    source.open.set()
    lookups = Coalescer(source.load, most=10)
    assert await asyncio.gather(*(lookups.get(key) for key in range(25))) == [key * key for key in range(25)]
    assert [len(keys) for keys in source.asked] == [10, 10, 5]


async def test_an_error_reaches_every_waiter_and_the_next_question_is_asked_anew(source: Source) -> None:
    source.open.set()
    source.error = ConnectionError("gone")
    lookups = Coalescer(source.load, most=2)
    outcomes = await asyncio.gather(*(lookups.get(key) for key in (1, 1, 2, 3)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ConnectionError] * 4
    source.error = None
    assert await lookups.get(1) == 1


async def test_a_caller_that_goes_away_breaks_nobody_else(source: Source) -> None:
    lookups = Coalescer(source.load)
    gone, stays = asyncio.ensure_future(lookups.get(1)), asyncio.ensure_future(lookups.get(1))
    alone = asyncio.ensure_future(lookups.get(2))
    await _asked(source, 1)
    gone.cancel()
    alone.cancel()
    await asyncio.sleep(0)
    source.open.set()
    assert await stays == 1
    assert gone.cancelled()
    assert alone.cancelled()
    source.error = ConnectionError("nobody listens to this one")
    late = asyncio.ensure_future(lookups.get(3))
    await asyncio.sleep(0)
    late.cancel()
    await asyncio.gather(late, return_exceptions=True)
    await _asked(source, 2)


async def test_when_its_work_is_cancelled_nobody_waits_for_ever(source: Source) -> None:
    lookups = Coalescer(source.load, most=1)
    waiters = [asyncio.ensure_future(lookups.get(key)) for key in (1, 2)]
    await _asked(source, 1)
    assert lookups._task is not None
    lookups._task.cancel()
    source.open.set()
    async with asyncio.timeout(PATIENCE):
        outcomes = await asyncio.gather(*waiters, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [asyncio.CancelledError] * 2
    assert await lookups.get(3) == 9
