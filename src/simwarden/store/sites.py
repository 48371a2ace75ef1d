"""Where gateways and cells are. SIMs whose place moves with them are marked to be looked at again."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import asyncpg

from simwarden.domain.identifiers import ALL_BUCKETS
from simwarden.domain.locating import Site
from simwarden.store.columns import lines
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from simwarden.domain.sim import Sim
    from simwarden.store.database import Database

Q = load("sites")
CellRow = tuple[str, float, float, float]
"""Key, latitude, longitude, radius of a cell."""
_COLUMNS = ["key", "latitude", "longitude", "radius"]


async def set_sites(connection: asyncpg.Connection, sites: Mapping[str, Site | None], now: datetime) -> set[str]:
    """Say where gateways are, by their names; None: it is not known. Returns the names that no gateway has."""
    found = {row["name"]: row["id"] for row in await connection.fetch(Q["lock"], sorted(sites))}
    wanted = [(id_, sites[name]) for name, id_ in found.items()]
    moved = await connection.fetch(
        Q["set"],
        [id_ for id_, _ in wanted],
        [site and site.latitude for _, site in wanted],
        [site and site.longitude for _, site in wanted],
        [site and site.radius for _, site in wanted],
    )
    if moved:
        await connection.execute(Q["review_gateways"], ALL_BUCKETS, [row["id"] for row in moved], now)
    return sites.keys() - found.keys()


async def add_cells(connection: asyncpg.Connection, cells: Sequence[CellRow], now: datetime) -> int:
    """Add cells, each once, and give known ones their new position; returns how many are new or moved."""
    moved = await connection.fetch(Q["add_cells"], *(lines(column) for column in zip(*cells, strict=True)))
    await _review(connection, [row["key"] for row in moved], now)
    return len(moved)


async def copy_cells(db: Database, cells: Sequence[CellRow], now: datetime) -> bool:
    """Add cells of which none is known; returns False, and adds none, when one is."""
    try:
        async with db.transaction() as connection:
            await connection.copy_to_table("cell", source=_copied(cells), columns=_COLUMNS)
            await _review(connection, [row[0] for row in cells], now)
    except asyncpg.UniqueViolationError:
        return False
    return True


def _copied(cells: Sequence[CellRow]) -> io.BytesIO:
    """COPY's text format; the keys hold nothing that is escaped there."""
    rows = [f"{key}\t{lat}\t{lon}\t{radius}\n" for key, lat, lon, radius in cells]
    rows.sort()  # the index is filled page by page
    return io.BytesIO("".join(rows).encode())


async def _review(connection: asyncpg.Connection, keys: Sequence[str], now: datetime) -> None:
    """Mark the SIMs that are in one of these cells; where no SIM is in any cell, that is asked, and no more."""
    if keys and await connection.fetchval(Q["are_sims_in_cells"], ALL_BUCKETS):
        await connection.execute(Q["review_cells"], ALL_BUCKETS, lines(keys), now)


async def review(connection: asyncpg.Connection, sim: Sim, now: datetime) -> None:
    """Let this SIM be looked at again."""
    await connection.execute(Q["review"], sim.bucket, sim.imsi, now)


async def take_reviews(connection: asyncpg.Connection, bucket: int, limit: int) -> list[str]:
    """SIMs of a bucket that are to be looked at again, in this transaction, which takes them off the list: IMSIs."""
    return [row["imsi"] for row in await connection.fetch(Q["take"], bucket, limit)]


async def cell(db: Database, key: str) -> Site | None:
    """Where a cell is, by its key."""
    row = await db.fetchrow(Q["cell"], key)
    return None if row is None else Site(*row)


async def waiting(db: Database) -> list[int]:
    """The buckets of SIMs that are to be looked at again."""
    return [row["bucket"] for row in await db.fetch(Q["waiting"], ALL_BUCKETS)]
