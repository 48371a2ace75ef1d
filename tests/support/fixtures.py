"""Fixtures that rooms of the tests share."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import asyncpg
import pytest
import pytest_asyncio
from tests.conftest import at_database
from tests.support.world import World

from simwarden.store.database import Database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from simwarden.store.vault import Vault


@pytest_asyncio.fixture(scope="module")
async def world_database(postgres_url: str, template: str) -> AsyncIterator[Database]:
    """One database for the worlds of a module: emptying it takes a twentieth of the time that making one takes."""
    name = f"simwarden_world_{uuid.uuid4().hex[:8]}"
    connection = await asyncpg.connect(postgres_url)
    await connection.execute(f"create database {name} template {template} strategy file_copy")
    opened = await Database.connect(at_database(postgres_url, name))
    yield opened
    await opened.close()
    await connection.execute(f"drop database {name} with (force)")
    await connection.close()


@pytest.fixture
async def world(world_database: Database, vault: Vault) -> AsyncIterator[World]:
    """A world with two accounts and nothing else."""
    made = World(world_database, vault)
    await made.prepare()
    yield made
    await made.close()
