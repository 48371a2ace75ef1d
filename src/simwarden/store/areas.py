"""Named areas, and the SIMs that are limited to areas."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec

from simwarden.domain.area import Area
from simwarden.domain.errors import AlreadyExists
from simwarden.domain.identifiers import ALL_BUCKETS, bucket_of
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from simwarden.store.database import Database

Q = load("areas")


class NamedArea(msgspec.Struct, frozen=True):
    """An area of an account, which any number of its SIMs are limited to."""

    id: str
    account_id: str
    name: str
    shape: Area
    version: int
    """Of the shape, from 1."""
    behind: bool
    """There may be SIMs whose limit has an older shape."""
    created_at: datetime
    changed_at: datetime


def _area(row: asyncpg.Record) -> NamedArea:
    return msgspec.convert(dict(row), NamedArea)


async def limited(connection: asyncpg.Connection, imsis: Sequence[str]) -> set[str]:
    """Those of these SIMs that are limited to an area."""
    rows = await connection.fetch(Q["limited"], [bucket_of(imsi) for imsi in imsis], imsis)
    return {row["imsi"] for row in rows}


async def count_alone(connection: asyncpg.Connection, account_id: str) -> int:
    """How many areas an account has; nobody else adds one until the transaction ends."""
    await connection.execute(Q["lock_account"], account_id)
    found: int = await connection.fetchval(Q["count"], account_id)
    return found


async def add(
    connection: asyncpg.Connection,
    id: str,  # noqa: A002 - the column's name
    account_id: str,
    name: str,
    shape: Area,
    now: datetime,
) -> NamedArea:
    """Add an area. Raises AlreadyExists when the account has one of this name."""
    row = await connection.fetchrow(Q["insert"], id, account_id, name, shape, now)
    if row is None:
        raise AlreadyExists(f"The account has an area named {name!r} already")
    return _area(row)


async def page(db: Database, account_id: str | None, after: tuple[str, str], limit: int) -> list[NamedArea]:
    """Areas of one account or of all, by name and id, from behind the one at `after`."""
    return [_area(row) for row in await db.fetch(Q["page"], account_id, *after, limit)]


async def find(db: Database, name_or_id: str) -> list[NamedArea]:
    """The area with this id; else those with this name, at most two, each of another account."""
    found = [_area(row) for row in await db.fetch(Q["find"], name_or_id)]
    return found[:1] if found and found[0].id == name_or_id else found


async def named(
    connection: asyncpg.Connection, wanted: Collection[tuple[str, str]]
) -> dict[tuple[str, str], NamedArea]:
    """Areas by account and name, held until the end of the transaction. Unknown ones are missing."""
    accounts, names = sorted({account for account, _ in wanted}), sorted({name for _, name in wanted})
    rows = await connection.fetch(Q["named"], accounts, names)
    return {(row["account_id"], row["name"]): _area(row) for row in rows}


async def lock(connection: asyncpg.Connection, id: str) -> NamedArea | None:  # noqa: A002
    """Lock an area: no SIM is newly limited to it until the transaction ends."""
    row = await connection.fetchrow(Q["lock"], id)
    return None if row is None else _area(row)


async def change(connection: asyncpg.Connection, area: NamedArea) -> NamedArea:
    """Write a locked area. Raises AlreadyExists when its account has another one of this name."""
    a: Any = area
    try:
        row = await connection.fetchrow(Q["change"], a.id, a.name, a.shape, a.version, a.behind, a.changed_at)
    except asyncpg.UniqueViolationError as error:
        raise AlreadyExists(f"The account has an area named {area.name!r} already") from error
    assert row is not None
    return _area(row)


async def delete(connection: asyncpg.Connection, id: str) -> None:  # noqa: A002
    """Delete a locked area."""
    await connection.execute(Q["delete"], id)


async def sims_of(source: Database | asyncpg.Connection, id: str) -> int:  # noqa: A002
    """How many SIMs are limited to an area."""
    found: int = await source.fetchval(Q["sims"], ALL_BUCKETS, id)
    return found


async def is_default(connection: asyncpg.Connection, area: NamedArea) -> bool:
    """Whether its account takes this area for SIMs that are limited without one."""
    found: bool = await connection.fetchval(Q["is_default"], area.account_id, area.name)
    return found


async def behind(db: Database) -> list[NamedArea]:
    """Areas that have SIMs with an older shape, perhaps."""
    return [_area(row) for row in await db.fetch(Q["behind"])]


async def sims_behind(db: Database, area: NamedArea, limit: int) -> list[str]:
    """SIMs whose limit has an older shape of the area."""
    return [row["imsi"] for row in await db.fetch(Q["sims_behind"], ALL_BUCKETS, area.id, area.version, limit)]


async def sims_page(db: Database, area: NamedArea, after: tuple[int, str], limit: int) -> list[str]:
    """SIMs that are limited to it, by bucket and IMSI, from behind the one at `after`."""
    return [row["imsi"] for row in await db.fetch(Q["sims_page"], ALL_BUCKETS, area.id, *after, limit)]


async def caught_up(db: Database, area: NamedArea) -> None:
    """Remember that no SIM is behind this version of the area."""
    await db.execute(Q["caught_up"], area.id, area.version)
