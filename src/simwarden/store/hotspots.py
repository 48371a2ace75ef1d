"""Signs of fraud by place, and the places where there are too many (`hotspot`)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.hexagons import box_of, hexagon_of
from simwarden.domain.hotspot import SIGNS, Counted, Hotspot, Window, place_name
from simwarden.domain.identifiers import ALL_BUCKETS, bucket_of
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    import asyncpg

    from simwarden.domain.events import Event
    from simwarden.domain.sim import Sim
    from simwarden.store.database import Database

Q = load("hotspots")
KEPT = timedelta(days=32)
"""How long signs and hotspots that are over are kept: what is usual is known by those of 30 days."""


class HeldSite(msgspec.Struct, frozen=True):
    """Where gateways stand."""

    place: str
    latitude: float
    longitude: float
    gateways: dict[int, str]
    """Their names by id."""


class Sign(msgspec.Struct, frozen=True):
    """A SIM showed it while it was in a gateway, or in a cell."""

    imsi: str
    gateway_id: int | None
    type: str
    hexagon: str | None
    """In which the cell is."""


async def add_signs(connection: asyncpg.Connection, events: Sequence[tuple[Sim, Event]]) -> None:
    """Keep those of these events that are signs of fraud, of SIMs that are in a gateway or in a known cell."""
    rows = [
        (sim.bucket, sim.imsi, event.n, event.at, str(event.type), _gateway_of(sim))
        for sim, event in events
        if event.type in SIGNS
    ]
    if rows:
        await connection.execute(Q["add_signs"], *map(list, zip(*rows, strict=True)))


def _gateway_of(sim: Sim) -> int | None:
    return None if sim.seen is None or sim.seen.slot is None else sim.seen.slot.gateway_id


async def sites(db: Database) -> dict[str, HeldSite]:
    """Where gateways stand, those of one point together, by place."""
    found: dict[str, HeldSite] = {}
    for row in await db.fetch(Q["sites"]):
        name = place_name(row["latitude"], row["longitude"])
        site = found.setdefault(name, HeldSite(name, row["latitude"], row["longitude"], {}))
        site.gateways[row["id"]] = row["name"]
    return found


async def cards(db: Database, gateway_ids: Collection[int]) -> dict[int, int]:
    """How many SIMs these gateways show."""
    return {row["gateway_id"]: row["count"] for row in await db.fetch(Q["cards"], sorted(gateway_ids))}


async def signs(db: Database, after: datetime, until: datetime) -> list[Sign]:
    """What SIMs showed in a time, each kind once for a gateway or a cell."""
    rows = await db.fetch(Q["signs"], ALL_BUCKETS, after, until)
    return [
        Sign(
            row["imsi"],
            row["gateway_id"],
            row["type"],
            None if row["latitude"] is None else hexagon_of(row["latitude"], row["longitude"]),
        )
        for row in rows
    ]


async def hexagons(db: Database) -> int:
    """In how many hexagons there are cells, at most."""
    found: int = await db.fetchval(Q["hexagons"])
    return found


async def seen_in(db: Database, wanted: Collection[str], since: datetime) -> dict[str, int]:
    """How many SIMs were reported in the cells of these hexagons since then. The table of cells is read through."""
    if not wanted:
        return {}
    boxes = [box_of(hexagon) for hexagon in wanted]
    rows = await db.fetch(Q["cells_within"], *(list(column) for column in zip(*boxes, strict=True)))
    names = {row["key"]: hexagon_of(row["latitude"], row["longitude"]) for row in rows}
    keys = [key for key, hexagon in names.items() if hexagon in wanted]
    found = dict.fromkeys(wanted, 0)
    for query in ("in_cells", "in_areas"):
        for row in await db.fetch(Q[query], ALL_BUCKETS, keys, since):
            found[names[row["key"]]] += row["count"]
    return found


async def sims_with_sign(db: Database, after: datetime, until: datetime, hours: int) -> int:
    """How many SIMs showed one, each counted once in each window of so many hours."""
    found: int = await db.fetchval(Q["sims_with_sign"], ALL_BUCKETS, after, until, hours)
    return found


async def open_ones(db: Database) -> dict[tuple[str, Window], Hotspot]:
    """Those that are not over."""
    return {(each.place, each.window): each for each in map(_hotspot, await db.fetch(Q["open"]))}


async def recent(db: Database, since: datetime, limit: int) -> list[Hotspot]:
    """Those that are not over, or ended after a time, newest first."""
    return [_hotspot(row) for row in await db.fetch(Q["recent"], since, limit)]


async def save(db: Database, spot: Hotspot) -> None:
    """Write one."""
    seen = spot.counted
    await db.execute(
        Q["save"],
        *(spot.place, spot.window.hours, spot.since, seen.sims, seen.with_sign, seen.expected, seen.chance),
        *(spot.at, spot.calm_since, spot.ended_at),
    )


async def forget(connection: asyncpg.Connection, imsis: Sequence[str]) -> None:
    """Nothing of these SIMs is kept."""
    await connection.execute(Q["forget"], [bucket_of(imsi) for imsi in imsis], list(imsis))


async def prune(db: Database, now: datetime, at_once: int) -> None:
    """Delete what is older than `KEPT`."""
    for bucket in ALL_BUCKETS:
        while await db.execute(Q["prune_signs"], bucket, now - KEPT, at_once) >= at_once:
            pass
    await db.execute(Q["prune"], now - KEPT)


def _hotspot(row: asyncpg.Record) -> Hotspot:
    return Hotspot(
        place=row["place"],
        window=Window(timedelta(hours=row["hours"])),
        since=row["since"],
        counted=Counted(row["sims"], row["with_sign"], row["expected"], row["chance"]),
        at=row["at"],
        calm_since=row["calm_since"],
        ended_at=row["ended_at"],
    )
