"""Fixtures of the tests of the EIR."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
import pytest
from tests.integration.southbound.eir.core import Core
from tests.support.fixtures import world, world_database
from tests.support.world import START, World, device

from simwarden.kit.clock import now_utc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["world", "world_database"]


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture
async def core(world: World, session: aiohttp.ClientSession) -> AsyncIterator[Core]:
    """Card 1 is bound to device 1, card 2 is not bound; the world's clock stands at this machine's time."""
    world.clock.turn((now_utc() - START).total_seconds())
    await world.card(1, imei=device(1))
    await world.card(2)
    made = Core(world, session)
    await made.register()
    await made.source.start()
    yield made
    await made.source.stop()
