"""Where gateways and cells are. SIMs whose place moves with them are marked to be looked at again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.domain.identifiers import ALL_BUCKETS
from simwarden.store.columns import lines
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import asyncpg

    from simwarden.domain.locating import Site
    from simwarden.domain.sim import Sim
    from simwarden.store.database import Database

Q = load("sites")


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


async def add_cells(connection: asyncpg.Connection, cells: Mapping[str, Site], now: datetime) -> int:
    """Add cells by their keys, and give known ones their new position; returns how many are new or moved."""
    moved = await connection.fetch(
        Q["add_cells"],
        lines(cells),
        lines(each.latitude for each in cells.values()),
        lines(each.longitude for each in cells.values()),
        lines(each.radius for each in cells.values()),
    )
    if moved:
        await connection.execute(Q["review_cells"], ALL_BUCKETS, [row["key"] for row in moved], now)
    return len(moved)


async def review(connection: asyncpg.Connection, sim: Sim, now: datetime) -> None:
    """Let this SIM be looked at again."""
    await connection.execute(Q["review"], sim.bucket, sim.imsi, now)


async def take_reviews(connection: asyncpg.Connection, bucket: int, limit: int) -> list[str]:
    """SIMs of a bucket that are to be looked at again, in this transaction, which takes them off the list: IMSIs."""
    return [row["imsi"] for row in await connection.fetch(Q["take"], bucket, limit)]


async def waiting(db: Database) -> list[int]:
    """The buckets of SIMs that are to be looked at again."""
    return [row["bucket"] for row in await db.fetch(Q["waiting"], ALL_BUCKETS)]
