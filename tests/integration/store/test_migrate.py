"""Migrations: fresh, again, two at once, refused when newer, interrupted."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING

import asyncpg
import pytest
from tests.conftest import at_database

from simwarden.domain.errors import StoreUnavailable
from simwarden.store import migrate, queries
from simwarden.store.migrate import DatabaseTooNew, Migration

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def empty(postgres_url: str) -> AsyncIterator[str]:
    """URL of a database with nothing in it."""
    name = f"simwarden_{uuid.uuid4().hex[:12]}"
    connection = await asyncpg.connect(postgres_url)
    await connection.execute(f"create database {name} template template0 encoding 'UTF8'")
    yield at_database(postgres_url, name)
    await connection.execute(f"drop database {name} with (force)")
    await connection.close()


async def _tables(url: str) -> set[str]:
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(
            "select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace"
        )
    finally:
        await connection.close()
    return {row["relname"] for row in rows}


async def test_a_fresh_database_is_brought_up_to_date_once(empty: str) -> None:
    before = await migrate.status(empty)
    assert (before.version, before.applied) == (0, [])
    assert len(before.pending) == before.target == len(migrate.known())
    assert await _tables(empty) == set(), "asking for the status changes nothing"
    assert await migrate.migrate(empty) == migrate.known()
    after = await migrate.status(empty)
    assert (after.version, after.pending) == (after.target, [])
    assert [applied.name for applied in after.applied] == [migration.name for migration in migrate.known()]
    assert {"sim", "event", "delivery", "attachment", "gateway"} <= await _tables(empty)
    assert await migrate.migrate(empty) == []


async def test_programs_that_start_together_migrate_once(empty: str) -> None:
    done = await asyncio.gather(*(migrate.migrate(empty) for _ in range(4)))
    assert sorted(len(applied) for applied in done) == [0, 0, 0, len(migrate.known())]


async def test_a_newer_database_is_refused_and_left_alone(empty: str) -> None:
    await migrate.migrate(empty)
    connection = await asyncpg.connect(empty)
    await connection.execute("insert into schema_migration (version, name) values (9999, 'from_the_future')")
    await connection.close()
    tables = await _tables(empty)
    with pytest.raises(DatabaseTooNew, match="9999"):
        await migrate.migrate(empty)
    assert await _tables(empty) == tables
    assert (await migrate.status(empty)).version == 9999


async def test_an_interrupted_migration_leaves_the_state_before_it(empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    good = Migration(1, "good", "create table good (id integer); insert into good values (1)")
    bad = Migration(2, "bad", "create table half (id integer); insert into half values (1); select 1 / 0")
    monkeypatch.setattr(migrate, "known", lambda: [good, bad])
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate.migrate(empty)
    assert await _tables(empty) == {"good", "schema_migration"}
    assert (await migrate.status(empty)).version == 1
    mended = Migration(2, "mended", "create table half (id integer)")
    monkeypatch.setattr(migrate, "known", lambda: [good, mended])
    assert await migrate.migrate(empty) == [mended], "the lock was let go, and it goes on where it stopped"
    assert await _tables(empty) == {"good", "half", "schema_migration"}


async def test_a_server_that_is_not_there_is_said_so() -> None:
    for ask in (migrate.migrate, migrate.status):
        with pytest.raises(StoreUnavailable):
            await ask("postgresql://nobody@127.0.0.1:1/none")


def test_migrations_are_numbered_without_gaps() -> None:
    assert [migration.version for migration in migrate.known()] == list(range(1, len(migrate.known()) + 1))


def test_queries_are_found_by_name() -> None:
    found = queries.load("sims")
    assert found["lock"].startswith("select s.*")
    assert "-- name:" not in "".join(found.values())
    with pytest.raises(KeyError):
        found["nothing"]
    with pytest.raises(FileNotFoundError):
        queries.load("nothing")
    with pytest.raises(TypeError):
        found["lock"] = "x"  # type: ignore[index]


async def test_every_query_can_be_prepared(database_url: str) -> None:
    """A column or a table that is named wrongly shows here, also in a query that no test runs."""
    from importlib import resources

    files = [entry.name for entry in resources.files("simwarden.store.queries").iterdir()]
    connection = await asyncpg.connect(database_url)
    try:
        for aggregate in sorted(name.removesuffix(".sql") for name in files if name.endswith(".sql")):
            for query in queries.load(aggregate).values():
                await connection.prepare(query)
    finally:
        await connection.close()
