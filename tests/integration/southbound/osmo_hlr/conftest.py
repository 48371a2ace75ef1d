"""Fixtures of the tests with the real osmo-hlr."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.fixtures import world, world_database
from tests.support.hlr import Hlr, running_hlr
from tests.support.world import START, World

from simwarden.kit.clock import now_utc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

__all__ = ["world", "world_database"]


@pytest.fixture
async def hlr(world: World, tmp_path: Path) -> AsyncIterator[Hlr]:
    """Running; the world's clock stands at the time of this machine, because its clock cannot be set."""
    world.clock.turn((now_utc() - START).total_seconds())
    async with running_hlr(tmp_path) as made:
        yield made
        await world.stop_enforcement()
