"""What becomes of an element's requests beyond what it may send."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from simwarden.domain.rates import Level, RateLimit
from simwarden.engine.buckets import Buckets
from simwarden.engine.element_rates import ElementLimits, ElementOverLimit, ElementRates
from simwarden.store import call_limits
from simwarden.store.call_limits import Ask, Drawn, keys_of_element

if TYPE_CHECKING:
    from collections.abc import Sequence


class Well:
    """The stored buckets: as many tokens of each as are poured in, and no more."""

    def __init__(self) -> None:
        self.tokens: dict[str, int] = {}

    async def draw_all(self, _db: Any, _worker: str, asks: Sequence[Ask], _term: Any) -> list[Drawn]:
        found = []
        for ask in asks:
            got = min(self.tokens.get(ask.key, 1000), ask.need.waiting)
            self.tokens[ask.key] = left = self.tokens.get(ask.key, 1000) - got
            found.append(Drawn(got, Level(float(left), datetime.now(UTC)), 0.0))
        return found


@pytest.fixture
def well(monkeypatch: pytest.MonkeyPatch) -> Well:
    made = Well()
    monkeypatch.setattr(call_limits, "draw_all", made.draw_all)
    return made


def rates(patience: float, at_once: int = 100) -> ElementRates:
    limit = RateLimit(10.0, 100)
    return ElementRates(
        Buckets(None, "w"),  # type: ignore[arg-type]
        ElementLimits(requests=limit, kib=limit, at_once=at_once, patience=patience),
    )


async def test_requests_beyond_the_rate_have_their_turn_in_the_order_in_which_they_came(well: Well) -> None:
    reports, _ = keys_of_element(7)
    well.tokens[reports] = 0
    door, done = rates(patience=60.0), []

    async def one(number: int) -> None:
        async with door.request(7, "gw7"):
            done.append(number)

    tasks = [asyncio.create_task(one(number)) for number in range(5)]
    await asyncio.sleep(0.15)
    assert done == []
    well.tokens[reports] = 3
    async with asyncio.timeout(60):
        while len(done) < 3:  # noqa: ASYNC110 - a matter of time
            await asyncio.sleep(0.01)
    assert done == [0, 1, 2]
    well.tokens[reports] = 2
    await asyncio.gather(*tasks)
    assert done == [0, 1, 2, 3, 4]


async def test_another_element_does_not_wait(well: Well) -> None:
    well.tokens[keys_of_element(7)[0]] = 0
    door = rates(patience=60.0)
    waiting = asyncio.create_task(door.request(7, "gw7").__aenter__())
    await asyncio.sleep(0.01)
    async with door.request(8, "gw8"):
        assert not waiting.done()
    waiting.cancel()


@pytest.mark.parametrize(("short", "what"), [(0, "reports"), (1, "bytes")])
async def test_who_waits_too_long_is_refused_and_the_reason_named(well: Well, short: int, what: str) -> None:
    well.tokens[keys_of_element(7)[short]] = 0
    door = rates(patience=0.0)
    with pytest.raises(ElementOverLimit) as caught:
        async with door.request(7, "gw7"):
            pytest.fail("it had no turn")
    assert caught.value.what == what
    well.tokens[keys_of_element(7)[short]] = 10
    await asyncio.sleep(0.11)
    async with door.request(7, "gw7"):
        pass


async def test_requests_that_wait_count_among_those_at_once_and_leave_no_trace(well: Well) -> None:
    well.tokens[keys_of_element(7)[0]] = 0
    door = rates(patience=60.0, at_once=2)
    waiting = [asyncio.create_task(door.request(7, "gw7").__aenter__()) for _ in range(2)]
    await asyncio.sleep(0.01)
    with pytest.raises(ElementOverLimit) as caught:
        async with door.request(7, "gw7"):
            pytest.fail("it had no place")
    assert caught.value.what == "open_reports"
    for each in waiting:
        each.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    well.tokens[keys_of_element(7)[0]] = 10
    await asyncio.sleep(0.11)
    async with door.request(7, "gw7"), door.request(7, "gw7"):
        pass


async def test_bytes_that_a_body_took_beyond_what_there_was_are_made_up_for_first(well: Well) -> None:
    door = rates(patience=0.0)
    _, sizes = keys_of_element(7)
    well.tokens[sizes] = 1
    async with door.request(7, "gw7"):
        door.received(7, 50 * 1024)
    well.tokens[sizes] = 40
    with pytest.raises(ElementOverLimit):
        async with door.request(7, "gw7"):
            pytest.fail("49 KiB are owed, 40 are there")
    assert well.tokens[sizes] == 0
