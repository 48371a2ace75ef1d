"""A loop of background work outlives what goes wrong in it, and nothing else than `stop` ends it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs
from tests.support.patience import PATIENCE

from simwarden.domain.errors import StoreUnavailable
from simwarden.kit import worker as worker_module
from simwarden.kit.worker import SoleWorker, Worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Counting(Worker):
    """Notes its turns, and does in each what `does` says."""

    worker_name = "counting"

    def __init__(self, *does: Exception | float) -> None:
        super().__init__()
        self.does = list(does)
        self.turns = 0
        self.changed = asyncio.Condition()

    async def turn(self) -> float:
        async with self.changed:
            self.turns += 1
            self.changed.notify_all()
        what = self.does.pop(0) if self.does else 3600.0
        if isinstance(what, Exception):
            raise what
        return what

    async def until(self, turns: int) -> None:
        async with asyncio.timeout(PATIENCE), self.changed:
            await self.changed.wait_for(lambda: self.turns >= turns)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "RETRY", 0.01)


async def started(worker: Counting) -> AsyncIterator[Counting]:
    worker.start()
    yield worker
    await worker.stop()


async def test_a_turn_follows_when_its_time_has_come_and_when_it_is_woken() -> None:
    async for worker in started(Counting(0.01, 0.01, 3600.0)):
        await worker.until(3)
        worker.wake()
        await worker.until(4)
        assert worker.turns == 4


async def test_a_wake_in_the_middle_of_a_turn_leads_to_another_turn() -> None:
    class Waking(Counting):
        async def turn(self) -> float:
            if self.turns == 0:
                self.wake()
            return await super().turn()

    async for worker in started(Waking()):
        await worker.until(2)


async def test_an_outage_is_logged_when_it_begins_and_when_it_is_over() -> None:
    with capture_logs() as logged:
        async for worker in started(Counting(*[StoreUnavailable("gone")] * 3)):
            await worker.until(4)
            async with asyncio.timeout(PATIENCE):
                while len(logged) < 2:  # noqa: ASYNC110 - nothing says that a line was logged
                    await asyncio.sleep(0.001)
    assert [(line["event"], line["worker"]) for line in logged] == [
        ("waiting for the database", "counting"),
        ("working again", "counting"),
    ]


async def test_an_error_is_logged_and_the_turn_tried_again_each_time_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "LONGEST", 0.03)
    with capture_logs() as logged:
        async for worker in started(Counting(*[ValueError("no")] * 4, 0.0, ValueError("no"))):
            await worker.until(7)
    assert [(line["event"], line["seconds"]) for line in logged] == [
        ("failed, retrying", seconds) for seconds in (0.01, 0.02, 0.03, 0.03, 0.01)
    ]


async def test_wakes_do_not_hurry_the_retry_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "RETRY", 3600.0)
    async for worker in started(Counting(ValueError("no"))):
        await worker.until(1)
        for _ in range(50):
            worker.wake()
            await asyncio.sleep(0)
        assert worker.turns == 1


async def test_stop_ends_it_in_the_middle_of_a_turn_and_before_it_was_started() -> None:
    class Hanging(Counting):
        async def turn(self) -> float:
            await super().turn()
            await asyncio.Event().wait()
            return 0.0

    await Counting().stop()
    worker = Hanging()
    worker.start()
    await worker.until(1)
    await worker.stop()
    assert worker._loop is not None
    assert worker._loop.cancelled()


class OneLease:
    """A lease that is held, or not, as a test says."""

    def __init__(self, *, held: bool) -> None:
        self.held = held
        self.interval = 0.01
        self.left = 0

    async def refresh(self) -> frozenset[int]:
        return frozenset({7}) if self.held else frozenset()

    async def leave(self) -> None:
        self.left += 1


class Alone(SoleWorker):
    """Counts its looks."""

    def __init__(self, lease: OneLease) -> None:
        super().__init__(lease)
        self.looks = 0
        self.error: Exception | None = None

    async def look(self) -> float:
        self.looks += 1
        error, self.error = self.error, None
        if error is not None:
            raise error
        return 3600.0


async def test_a_sole_worker_looks_only_while_it_holds_the_lease() -> None:
    lease = OneLease(held=False)
    alone = Alone(lease)
    assert [await alone.turn(), alone.looks] == [lease.interval, 0]
    lease.held = True
    assert [await alone.turn(), alone.looks] == [lease.interval, 1], "and it renews the lease in time"
    assert [await alone.turn(), alone.looks] == [lease.interval, 1], "which is no reason to look"
    lease.interval = 7200.0
    assert 3500.0 < await alone.turn() <= 3600.0
    assert alone.looks == 1
    alone.wake()
    assert [await alone.turn(), alone.looks] == [0.0, 2]


async def test_a_sole_worker_looks_when_the_lease_comes_back_and_after_an_error() -> None:
    lease = OneLease(held=True)
    alone = Alone(lease)
    await alone.turn()
    lease.held = False
    await alone.turn()
    lease.held = True
    alone.error = ValueError("once")
    with pytest.raises(ValueError, match="once"):
        await alone.turn()
    await alone.turn()
    await alone.turn()
    assert alone.looks == 3


async def test_a_sole_worker_that_stops_gives_the_lease_away() -> None:
    lease = OneLease(held=True)
    alone = Alone(lease)
    alone.start()
    assert lease.left == 0
    await alone.stop()
    assert lease.left == 1
    assert alone._loop is not None
    assert alone._loop.done()
