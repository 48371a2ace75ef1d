"""What a worker makes of what it drew."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from simwarden.domain.rates import Level, RateLimit
from simwarden.engine.buckets import Buckets
from simwarden.engine.rates import DefaultRates, Rates
from simwarden.store import call_limits
from simwarden.store.call_limits import Ask, Drawn

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest


class Caller(msgspec.Struct, frozen=True):
    """Who calls."""

    app_key: str = "swk_meters"
    account_id: str = "acc_meters"


async def test_a_draw_ahead_that_got_nothing_refuses_nobody_while_there_are_tokens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answered = asyncio.Event()
    asked: list[int] = []

    async def draw_all(_db: Any, _worker: str, asks: Sequence[Ask], _term: Any) -> list[Drawn]:
        [ask] = asks
        asked.append(ask.need.waiting)
        if len(asked) == 2:
            await answered.wait()
        got = 4 if len(asked) == 1 else ask.need.waiting  # other workers hold half of the burst: none ahead of need
        return [Drawn(got, Level(20.0, datetime.now(UTC)), 0.0)]

    async def nothing_set(*_: Any) -> list[Any]:
        return []

    monkeypatch.setattr(call_limits, "draw_all", draw_all)
    monkeypatch.setattr(call_limits, "of_application", nothing_set)
    limit = RateLimit(0.01, 40)
    rates, who = Rates(None, Buckets(None, "w"), DefaultRates(limit, limit)), Caller()  # type: ignore[arg-type]
    await rates.admit(who, "sim-swap", "check")
    for _ in range(3):
        assert rates.spend(who.app_key, "sim-swap", "check")
        await asyncio.sleep(0)
    late = asyncio.create_task(rates.admit(who, "sim-swap", "check"))  # waits for the draw ahead that is under way
    await asyncio.sleep(0)
    answered.set()
    await late
    assert asked == [1, 0, 1]


async def test_a_draw_that_is_done_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes between its end and its callback would wait for it for ever, and let nothing else run."""

    async def draw_all(_db: Any, _worker: str, _asks: Sequence[Ask], _term: Any) -> list[Drawn]:
        return [Drawn(0, Level(20.0, datetime.now(UTC)), 0.0)]

    monkeypatch.setattr(call_limits, "draw_all", draw_all)
    buckets = Buckets(None, "w")  # type: ignore[arg-type]
    bucket = buckets.bucket("acc", "acc/", "application", RateLimit(0.01, 40))
    first = buckets._ask(bucket)
    assert buckets._ask(bucket) is first
    while not first.done():  # noqa: ASYNC110 - it has no event
        await asyncio.sleep(0)
    bucket.asking = first  # as it is before its callback
    assert buckets._ask(bucket) is not first
    await buckets._ask(bucket)
