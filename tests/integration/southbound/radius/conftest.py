"""Fixtures of the tests of RADIUS."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.integration.southbound.radius.mobile import HOME, Mobile
from tests.support.fixtures import world, world_database
from tests.support.nas import TestNas
from tests.support.world import START, World

from simwarden.kit.clock import now_utc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["world", "world_database"]


@pytest.fixture
async def mobile(world: World) -> AsyncIterator[Mobile]:
    """Card 1 is bound to HOME; the world's clock stands at the time of this machine, because sockets do not wait."""
    world.clock.turn((now_utc() - START).total_seconds())
    await world.card(1, imei=HOME)
    async with TestNas() as nas:
        made = Mobile(world, nas)
        await made.register()
        await made.start()
        yield made
        await world.stop_enforcement()
        await made.source.stop()
