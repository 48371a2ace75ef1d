"""A house with one SIM, a client, and sinks that listen on the loopback address."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from tests.integration.notify.house import House
from tests.integration.notify.sink import Sink

from simwarden.engine.subscriptions import Subscriptions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from simwarden.store.database import Database
    from simwarden.store.vault import Vault


@pytest_asyncio.fixture
async def house(database: Database, vault: Vault) -> House:
    """One account with one SIM, and what is done with them."""
    made = House(database, vault, Subscriptions(database, vault, allow_private_sinks=True))
    await made.prepare()
    return made


@pytest_asyncio.fixture
async def sink() -> AsyncIterator[Sink]:
    """A sink that answers 204 until told otherwise."""
    async with Sink() as listening:
        yield listening


@pytest.fixture
def now() -> datetime:
    """The time at which the test began."""
    return datetime.now(UTC)
