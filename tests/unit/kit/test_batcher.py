"""A batch holds what came while the one before was written, and each caller gets what became of its own item."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from tests.support.patience import PATIENCE
from tests.support.sleeps import with_sleep

from simwarden.domain.errors import StoreUnavailable, TryAgain
from simwarden.kit import batcher as batcher_module
from simwarden.kit.batcher import Batcher

if TYPE_CHECKING:
    from collections.abc import Sequence


class Squares(Batcher[int, int]):
    """Squares numbers, once it is let. Each of `fails` is raised by one write, from the first on."""

    def __init__(self, *fails: BaseException | None, most: int = 10) -> None:
        super().__init__(most=most)
        self.fails = list(fails)
        self.bad: set[int] = set()
        self.written: list[list[int]] = []
        """What was tried, whether it succeeded or not."""
        self.refused: list[list[int]] = []
        self.begun = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()

    async def write(self, items: Sequence[int]) -> Sequence[int | BaseException]:
        self.written.append(list(items))
        self.begun.set()
        await self.open.wait()
        error = self.fails.pop(0) if self.fails else None
        if error is not None:
            raise error
        if self.bad & set(items):
            raise ValueError("bad")
        return [item * item if item >= 0 else LookupError(str(item)) for item in items]

    def can_halve(self, error: Exception) -> bool:
        return isinstance(error, ValueError)

    def failed(self, items: Sequence[int], error: Exception) -> Exception:
        self.refused.append(list(items))
        return KeyError(str(error))


async def outcomes(batcher: Batcher[int, int], *items: int) -> list[int | BaseException]:
    async with asyncio.timeout(PATIENCE):
        return await asyncio.gather(*(batcher.submit(item) for item in items), return_exceptions=True)


def kinds(found: Sequence[object]) -> list[type]:
    return [type(each) for each in found]


async def test_what_comes_while_a_batch_is_written_goes_into_the_next() -> None:
    squares = Squares()
    squares.open.clear()
    first = asyncio.create_task(squares.submit(1))
    await squares.begun.wait()
    rest = [asyncio.create_task(squares.submit(item)) for item in (2, 3, 4)]
    await asyncio.sleep(0)
    assert squares.waiting == 3
    squares.open.set()
    assert await asyncio.gather(first, *rest) == [1, 4, 9, 16]
    assert squares.written == [[1], [2, 3, 4]]


async def test_a_batch_holds_the_most_and_a_larger_item_goes_alone() -> None:
    class Sized(Squares):
        def size(self, item: int) -> int:
            return item

    squares = Sized(most=10)
    assert await outcomes(squares, 4, 5, 3, 25, 1, 9, 1) == [16, 25, 9, 625, 1, 81, 1]
    assert squares.written == [[4, 5], [3], [25], [1, 9], [1]]


async def test_of_items_with_one_key_only_the_first_goes_into_a_batch() -> None:
    class Keyed(Squares):
        def key(self, item: int) -> int | None:
            return item % 10 if item < 100 else None

    squares = Keyed()
    await outcomes(squares, 1, 11, 2, 100, 100, 21)
    assert squares.written == [[1, 2, 100, 100], [11], [21]]


async def test_a_batch_is_of_the_group_of_who_waits_longest() -> None:
    class Grouped(Squares):
        def group(self, item: int) -> int:
            return item // 10

    squares = Grouped()
    await outcomes(squares, 11, 21, 12, 31, 22)
    assert squares.written == [[11, 12], [21, 22], [31]]


async def test_an_item_gets_its_own_error_and_the_others_their_results() -> None:
    found = await outcomes(Squares(), 2, -1, 3)
    assert found[0::2] == [4, 9]
    assert kinds(found)[1] is LookupError


async def test_a_batch_that_lost_to_another_transaction_is_written_again() -> None:
    squares = Squares(TryAgain("one"), TryAgain("two"))
    assert await outcomes(squares, 2, 3) == [4, 9]
    assert squares.written == [[2, 3]] * 3


async def test_after_some_tries_whoever_lost_is_answered_and_who_comes_later_is_not() -> None:
    squares = Squares(*[TryAgain("lost")] * batcher_module.TRIES * 2, most=1)
    assert kinds(await outcomes(squares, 1, 2, 3)) == [TryAgain, TryAgain, int]
    assert squares.refused == []


async def test_an_item_at_fault_is_found_by_halving_and_alone_is_refused() -> None:
    squares = Squares(most=100)
    squares.bad = {5}
    found = await outcomes(squares, *range(16))
    assert kinds(found) == [int] * 5 + [KeyError] + [int] * 10
    assert squares.refused == [[5]]
    assert len(squares.written) == 1 + 2 * 4, "two tries a halving"


async def test_an_error_that_lies_in_no_item_is_everybodys() -> None:
    squares = Squares(OSError("broken"))
    assert kinds(await outcomes(squares, 1, 2)) == [KeyError] * 2
    assert squares.refused == [[1, 2]]
    assert await outcomes(squares, 3) == [9]


async def test_one_outage_is_answered_to_its_batch_and_the_next_is_tried() -> None:
    squares = Squares(StoreUnavailable(), most=1)
    assert kinds(await outcomes(squares, 1, 2, 3)) == [StoreUnavailable, int, int]


async def test_two_outages_in_a_row_are_answered_to_all_who_wait() -> None:
    squares = Squares(StoreUnavailable(), None, *[StoreUnavailable()] * 2, most=1)
    found = await outcomes(squares, *range(6))
    assert kinds(found) == [StoreUnavailable, int, *[StoreUnavailable] * 4]
    assert squares.written == [[0], [1], [2], [3]]
    assert await outcomes(squares, 7) == [49], "and who comes then is tried"


async def test_a_caller_that_goes_away_has_its_item_written_and_breaks_nobody_else() -> None:
    squares = Squares()
    squares.open.clear()
    gone, stays = (asyncio.create_task(squares.submit(item)) for item in (1, 2))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    squares.open.set()
    assert await stays == 4
    assert gone.cancelled()
    assert squares.written == [[1, 2]]


async def test_when_its_work_is_cancelled_nobody_waits_for_ever() -> None:
    squares = Squares(most=1)
    squares.open.clear()
    callers = [asyncio.create_task(squares.submit(item)) for item in (1, 2)]
    await squares.begun.wait()
    assert squares._task is not None
    squares._task.cancel()
    async with asyncio.timeout(PATIENCE):
        found = await asyncio.gather(*callers, return_exceptions=True)
    assert kinds(found) == [asyncio.CancelledError] * 2
    squares.open.set()
    assert await outcomes(squares, 3) == [9]


async def test_a_result_too_few_is_an_error_of_all_and_nobody_waits_for_ever() -> None:
    class Short(Squares):
        async def write(self, items: Sequence[int]) -> Sequence[int | BaseException]:
            return (await super().write(items))[1:]

    squares = Short()
    found = await outcomes(squares, 1, 2)
    assert ValueError in kinds(found)


async def test_it_rests_after_a_failure_as_long_as_it_is_set_to(monkeypatch: pytest.MonkeyPatch) -> None:
    class Resting(Squares):
        rest = 3.0

    now = [0.0]
    rests: list[float] = []

    async def write(self: Resting, items: Sequence[int]) -> Sequence[int | BaseException]:
        now[0] += 2.0
        return await Squares.write(self, items)

    async def sleep(seconds: float) -> None:
        rests.append(seconds)

    monkeypatch.setattr(Resting, "write", write)
    monkeypatch.setattr(batcher_module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(batcher_module, "asyncio", with_sleep(sleep))
    squares = Resting(OSError("broken"), most=1)
    await asyncio.gather(*(squares.submit(item) for item in (1, 2)), return_exceptions=True)
    await squares.drain()
    assert rests == [6.0]


async def test_drain_waits_for_what_was_submitted() -> None:
    squares = Squares(most=1)
    await squares.drain()
    callers = [asyncio.create_task(squares.submit(item)) for item in range(5)]
    await asyncio.sleep(0)
    await squares.drain()
    assert len(squares.written) == 5
    assert await asyncio.gather(*callers) == [0, 1, 4, 9, 16]
