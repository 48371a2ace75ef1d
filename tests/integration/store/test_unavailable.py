"""Whatever the database stumbles over, the caller hears one thing: not now, again."""

from __future__ import annotations

import asyncpg
import pytest

from simwarden.domain.errors import StoreUnavailable
from simwarden.store.database import Database, available


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.DiskFullError("could not extend file: No space left on device"),
        asyncpg.OutOfMemoryError("out of memory"),
        asyncpg.PostgresIOError("could not write block"),
        asyncpg.DeadlockDetectedError("deadlock detected"),
        asyncpg.CrashShutdownError("terminating connection because of crash of another server process"),
        # Met by tests/faults: a backend frozen, then killed, while a transaction was to be committed.
        asyncpg.InternalClientError("cannot switch to state 15; another operation (2) is in progress"),
        ConnectionResetError("connection reset"),
    ],
)
def test_it_is_unavailable(error: Exception) -> None:
    with pytest.raises(StoreUnavailable), available():
        raise error


async def test_a_deadlock_is_unavailable_and_the_pool_goes_on(database: Database) -> None:
    with pytest.raises(StoreUnavailable):
        await database.execute("do $$ begin raise exception using errcode = '40P01'; end $$")
    assert await database.fetchval("select 1") == 1
