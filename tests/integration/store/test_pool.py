"""A connection that went back into the pool is not handed on with anything of its last user."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from tests.support.patience import PATIENCE
from tests.support.server import serving

from simwarden.domain.errors import StoreUnavailable
from simwarden.store import database as module
from simwarden.store.database import Database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

LAST = "select query from pg_stat_activity where pid = $1"


@pytest_asyncio.fixture
async def single(database: Database) -> AsyncIterator[Database]:
    """A pool of one connection: the next user has the one that the last had."""
    opened = await Database.connect(database.url, size=1)
    await opened.execute("create table note (text text)")
    yield opened
    await opened.close()


async def test_a_release_sends_no_statement_of_its_own(database: Database, single: Database) -> None:
    process = await single.fetchval("select pg_backend_pid()")
    assert await database.fetchval(LAST, process) == "select pg_backend_pid()"
    async with single.transaction() as connection:
        await connection.execute("insert into note values ('kept')")
    assert (await database.fetchval(LAST, process)).strip(";") == "COMMIT"
    assert await single.fetchval("select pg_backend_pid()") == process


async def test_an_open_transaction_is_rolled_back(
    single: Database, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.CRITICAL, "asyncio"):
        async with single.connection() as connection:
            process = await connection.fetchval("select pg_backend_pid()")
            await connection.execute("begin")
            await connection.execute("insert into note values ('lost')")
    async with single.connection() as connection:
        assert await connection.fetchval("select pg_backend_pid()") == process
        assert not connection.is_in_transaction()
        assert await connection.fetchval("select count(*) from note") == 0
    assert await database.fetchval("select state from pg_stat_activity where pid = $1", process) == "idle"


async def test_a_transaction_that_an_error_left_is_rolled_back(single: Database) -> None:
    async def leave() -> None:
        async with single.connection() as connection:
            await connection.execute("begin")
            await connection.execute("insert into note values ('lost')")
            await connection.execute("select 1 / 0")

    with pytest.raises(Exception, match="division by zero"):
        await leave()
    assert await single.fetchval("select count(*) from note") == 0


async def test_after_an_error_the_session_is_reset(single: Database, database: Database) -> None:
    usual = await single.fetchval("show work_mem")
    process = await single.fetchval("select pg_backend_pid()")

    async def leave() -> None:
        async with single.connection() as connection:
            await connection.execute("set work_mem = '77kB'")
            await connection.execute("select pg_advisory_lock(77)")
            raise KeyError

    with pytest.raises(KeyError):
        await leave()
    assert "RESET ALL" in await database.fetchval(LAST, process)
    assert await single.fetchval("show work_mem") == usual
    assert await single.fetchval("select pg_backend_pid()") == process
    assert await database.fetchval("select pg_try_advisory_lock(77)"), "the lock was given back"
    assert await database.fetchval("select pg_advisory_unlock(77)")
    assert (await database.fetchval(LAST, process)) == "select pg_backend_pid()", "once is enough"


async def test_a_connection_that_is_lost_in_use_is_replaced(single: Database, database: Database) -> None:
    process = await single.fetchval("select pg_backend_pid()")

    async def lose() -> None:
        async with single.connection() as connection:
            await database.execute("select pg_terminate_backend($1)", process)
            while True:
                await connection.execute("select 1")

    async def use_it_then() -> None:
        async with single.connection() as connection:
            await database.execute(
                "select pg_terminate_backend($1)", await connection.fetchval("select pg_backend_pid()")
            )
            await connection.execute("select pg_sleep(60)")

    for wait in (lose, use_it_then):
        with pytest.raises(StoreUnavailable):
            await wait()
        assert await single.fetchval("select pg_backend_pid()") != process


async def test_a_statement_that_was_cancelled_hits_nobody_else(single: Database) -> None:
    for _ in range(20):
        asleep = asyncio.create_task(single.execute("select pg_sleep(600)"))
        await asyncio.sleep(0.01)
        asleep.cancel()
        with pytest.raises((asyncio.CancelledError, StoreUnavailable)):
            await asleep
        assert await single.fetchval("select 1") == 1


async def test_a_worker_listens_on_one_connection(database: Database, tmp_path: Path) -> None:
    async with serving(tmp_path, database.url):
        listening: Sequence[Any] = ()
        async with asyncio.timeout(PATIENCE):
            while not listening:  # it connects beside the server's start
                listening = await database.fetch(
                    "select query from pg_stat_activity where datname = current_database() and query ilike 'listen %'"
                )
    assert len(listening) == 1


async def test_what_asyncpg_knows_of_types_it_asks_once_in_a_process(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_TYPES", {})
    query = "select $1::smallint[] as a, $2::timestamptz[] as b, $3::bytea[] as c, $4::jsonb as d"
    moment = datetime(2026, 11, 22, tzinfo=UTC)
    asked = []
    for _ in range(2):
        opened = await Database.connect(database.url, size=1)
        try:
            row = await opened.fetchrow(query, [1, None], [moment], [b"x"], {"y": 2})
            assert row is not None
            assert dict(row) == {"a": [1, None], "b": [moment], "c": [b"x"], "d": {"y": 2}}
            async with opened.connection() as connection:
                kept = await connection.fetch("select statement from pg_prepared_statements")
            asked.append(sum("typeinfo_tree" in each["statement"] for each in kept))
        finally:
            await opened.close()
    assert asked == [1, 0]


async def test_types_of_one_database_alone_are_asked_for_on_each_connection(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_TYPES", {})
    await database.execute("create type colour as enum ('red', 'blue')")
    for _ in range(2):
        opened = await Database.connect(database.url, size=1)
        try:
            assert await opened.fetchval("select array['red'::colour]") == ["red"]
        finally:
            await opened.close()
    assert module._TYPES == {}
