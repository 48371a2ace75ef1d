"""Reports of one body are taken in all or none. Found by tests/fuzz: a body was refused and half of it stood."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from simwarden.domain.errors import TryAgain
from simwarden.domain.events import EventType
from simwarden.engine.ingest import UnacceptableReport

if TYPE_CHECKING:
    from tests.support.world import World

TOO_MUCH = 2**53


async def test_what_came_together_is_refused_together(world: World) -> None:
    box = await world.box()
    await world.card(1, 2, 3)
    for number in (1, 2, 3):
        box.put(number, number)
    before = await world.written("sim")
    with pytest.raises(UnacceptableReport):
        await world.take(box.port_status(1), box.port_status(2, signal=TOO_MUCH))
    assert await world.written("sim") == before
    assert await world.written("gateway_port") == []


async def test_who_came_at_the_same_time_is_not_spoilt_by_it(world: World) -> None:
    box = await world.box()
    await world.card(1, 2)
    for number in (1, 2):
        box.put(number, number)
    taken = await asyncio.gather(
        world.take(box.port_status(1)),
        world.take(box.port_status(2, signal=TOO_MUCH), box.port_status(3)),
        return_exceptions=True,
    )
    assert taken[0] is None
    assert isinstance(taken[1], UnacceptableReport)
    assert await world.count(1, EventType.DEVICE_SEEN) == 1
    assert await world.count(2, EventType.DEVICE_SEEN) == 0


async def test_a_deadlock_is_tried_again_and_not_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    box = await world.box()
    await world.card(1)
    box.put(1, 1)
    whole = world.db.transaction
    tries = 0

    def losing() -> object:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise TryAgain
        return whole()

    monkeypatch.setattr(world.db, "transaction", losing)
    await world.take(box.port_status(1))
    assert tries == 2
    assert await world.count(1, EventType.DEVICE_SEEN) == 1
