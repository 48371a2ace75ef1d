"""The migration that finds calls by a digest of their Call-ID, on calls that are stored already."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import asyncpg
import pytest
import pytest_asyncio
from tests.conftest import at_database
from tests.support.world import START

from simwarden.domain.reports import CallRecord
from simwarden.store import migrate, records
from simwarden.store.database import Database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from simwarden.store.vault import Vault

KNOWN = migrate.known()
BEFORE = [
    migration for migration in KNOWN if migration.version < next(m.version for m in KNOWN if m.name == "call_keys")
]
IDS = ("a", "a@b\\x00", "é" * 40, "'quoted'", " ", "x" * 2000)


@pytest_asyncio.fixture
async def old_url(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """A database of the version before, with calls."""
    name = f"simwarden_calls_{uuid.uuid4().hex[:8]}"
    admin = await asyncpg.connect(postgres_url)
    await admin.execute(f"create database {name} template template0 encoding 'UTF8'")
    url = at_database(postgres_url, name)
    with monkeypatch.context() as patched:
        patched.setattr(migrate, "known", lambda: BEFORE)
        await migrate.migrate(url)
    connection = await asyncpg.connect(url)
    await connection.executemany(
        "insert into call_record (bucket, gateway_id, call_id, begin_at, received_at) values ($1, 1, $2, $3, $3)",
        [(records.bucket_for(None, 1), call_id, START) for call_id in IDS],
    )
    await connection.close()
    yield url
    await admin.execute(f"drop database {name} with (force)")
    await admin.close()


async def test_calls_that_are_stored_go_on_growing(old_url: str, vault: Vault) -> None:
    await migrate.migrate(old_url)
    db = await Database.connect(old_url)
    try:
        async with db.transaction() as connection:
            for call_id in (*IDS, "y" * 100_000):
                await records.save_calls(connection, vault, [(1, CallRecord(call_id=call_id, end_at=START), START)])
        rows = await db.fetch("select call_id, begin_at, end_at from call_record")
    finally:
        await db.close()
    assert {row["call_id"]: row["begin_at"] for row in rows if len(row["call_id"]) < 3000} == dict.fromkeys(IDS, START)
    assert len(rows) == len(IDS) + 1
    assert all(row["end_at"] == START for row in rows)
