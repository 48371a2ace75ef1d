from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import asyncpg
import pytest
import pytest_asyncio
from tests.conftest import at_database
from tests.integration.management.house import House

from simwarden.store.database import Database
from simwarden.store.vault import Vault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def house(database: Database, vault: Vault) -> House:
    """A house of one's own."""
    made = House(database, vault)
    await made.furnish()
    return made


@pytest_asyncio.fixture(scope="session")
async def still(postgres_url: str, template: str) -> AsyncIterator[House]:
    """One house for all tests in which nothing may change."""
    name = f"simwarden_still_{uuid.uuid4().hex[:8]}"
    connection = await asyncpg.connect(postgres_url)
    await connection.execute(f"create database {name} template {template} strategy file_copy")
    database = await Database.connect(at_database(postgres_url, name))
    made = House(database, Vault(bytes(range(32))))
    await made.furnish()
    yield made
    await database.close()
    await connection.execute(f"drop database {name} with (force)")
    await connection.close()
