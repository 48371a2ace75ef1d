"""Numbered migrations: applied in order, each in a transaction of its own, by one program at a time."""

from __future__ import annotations

import asyncio
import re
from importlib import resources
from typing import TYPE_CHECKING

import asyncpg
import msgspec

from simwarden.domain.errors import SimwardenError
from simwarden.store.database import available, connect

if TYPE_CHECKING:
    from datetime import datetime

    from simwarden.store.database import Database

_FILE = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
_LOCK = 0x53494D57  # "SIMW"
_LOCK_WAIT_MS = 2000
_LOCK_PAUSE = 1.0
_TABLE = """
create table if not exists schema_migration (
    version     integer primary key,
    name        text not null,
    applied_at  timestamptz not null default now()
)
"""


class DatabaseTooNew(SimwardenError):
    """The database was made by a newer Simwarden."""


class Migration(msgspec.Struct, frozen=True):
    """One step of the schema."""

    version: int
    name: str
    sql: str


class MigrationStatus(msgspec.Struct, frozen=True):
    """How far a database has come."""

    version: int
    """Highest migration applied, 0 for none."""
    target: int
    """Highest migration this program knows."""
    applied: list[Applied]
    pending: list[str]


class Applied(msgspec.Struct, frozen=True):
    """A migration that a database has seen."""

    version: int
    name: str
    applied_at: datetime


def known() -> list[Migration]:
    """The migrations this program carries, in order. Raises ValueError when the numbers have a gap."""
    found = []
    for entry in (resources.files("simwarden.store") / "migrations").iterdir():
        match = _FILE.fullmatch(entry.name)
        if match:
            found.append(Migration(int(match[1]), match[2], entry.read_text(encoding="utf-8")))
    found.sort(key=lambda migration: migration.version)
    if [migration.version for migration in found] != list(range(1, len(found) + 1)):
        raise ValueError("Migrations must be numbered from 0001 without gaps")
    return found


async def migrate(url: str) -> list[Migration]:
    """Bring the database at `url` up to date; returns what was applied.

    Each migration commits together with its row in `schema_migration`, so an interrupted one leaves the old state.
    Raises DatabaseTooNew, DatabaseRefuses, StoreUnavailable.
    """
    connection = await connect(url)
    with available():
        try:
            if _is_current(await _status(connection)):
                return []  # nothing is written: it may be a replica
            await connection.execute("select pg_advisory_lock($1)", _LOCK)
            await connection.execute(_TABLE)
            status = await _status(connection)
            refuse_newer(status)
            pending = [migration for migration in known() if migration.version > status.version]
            for migration in pending:
                await _apply(connection, migration)
            return pending
        finally:
            await connection.close()


async def _apply(connection: asyncpg.Connection, migration: Migration) -> None:
    """Apply one. Does not stand in the way of a server that runs: who waits long for a table makes all others wait
    behind him, so he steps back and tries again."""
    while True:
        try:
            async with connection.transaction():
                await connection.execute(f"set local lock_timeout = {_LOCK_WAIT_MS}")
                await connection.execute(migration.sql)
                await connection.execute(
                    "insert into schema_migration (version, name) values ($1, $2)", migration.version, migration.name
                )
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            await asyncio.sleep(_LOCK_PAUSE)
        else:
            return


async def status(url: str) -> MigrationStatus:
    """How far the database at `url` has come. Changes nothing. Raises DatabaseRefuses, StoreUnavailable."""
    connection = await connect(url)
    with available():
        try:
            return await _status(connection)
        finally:
            await connection.close()


async def status_of(db: Database) -> MigrationStatus:
    """The same over a connection of a pool. Raises StoreUnavailable."""
    async with db.connection() as connection:
        return await _status(connection)


async def _status(connection: asyncpg.Connection) -> MigrationStatus:
    migrations = known()
    exists = await connection.fetchval("select to_regclass('schema_migration') is not null")
    rows = await connection.fetch("select * from schema_migration order by version") if exists else []
    version = rows[-1]["version"] if rows else 0
    return MigrationStatus(
        version=version,
        target=migrations[-1].version,
        applied=[Applied(row["version"], row["name"], row["applied_at"]) for row in rows],
        pending=[f"{migration.version:04}_{migration.name}" for migration in migrations if migration.version > version],
    )


def _is_current(found: MigrationStatus) -> bool:
    return found.version == found.target


def refuse_newer(found: MigrationStatus) -> None:
    """Raises DatabaseTooNew."""
    if found.version > found.target:
        raise DatabaseTooNew(
            f"The database is at migration {found.version}, this program knows {found.target}: use a newer Simwarden, "
            "or restore the database from before the upgrade."
        )
