"""Where SIMs are and were: the sites of their gateways, the cells of their sessions, their installation addresses.

A place by site is derived from what is stored of the SIM and its gateway, and costs those who take in reports nothing.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.identifiers import ALL_BUCKETS, bucket_of
from simwarden.domain.locating import Site, Traces
from simwarden.domain.place import Place, PlaceSource
from simwarden.domain.report_order import offline_after
from simwarden.kit.clock import now_utc
from simwarden.store.coalesce import Coalescer
from simwarden.store.columns import lines, numbers
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from datetime import timedelta

    import asyncpg

    from simwarden.domain.sim import Seen, Sim
    from simwarden.store.database import Database

Q = load("places")
KEPT = 200
"""Places that are kept in the history of a SIM."""
_NOTHING = Traces()


class PastPlace(msgspec.Struct, frozen=True):
    """A place in the history of a SIM."""

    at: datetime
    """When it was seen there first."""
    source: PlaceSource
    ref: str
    latitude: float
    longitude: float
    radius: float


class NotedPlace(msgspec.Struct, frozen=True):
    """Which place was written into a SIM's history last."""

    source: PlaceSource | None = None
    ref: str | None = None
    changes: int = 0
    changed_at: datetime | None = None


class CellReport(msgspec.Struct, frozen=True):
    """A report of a session says in which cell a SIM is."""

    imsi: str
    cell: str
    area: str | None
    """Around it, for when the cell is in no table."""
    at: datetime
    imei: str | None
    """The device of the session."""
    since: datetime | None
    """When the session began; None: it begins with this report."""


class Places:
    """Finds where SIMs are, one request at a time but gathered into few statements."""

    def __init__(self, db: Database, clock: Callable[[], datetime] = now_utc) -> None:
        self._db = db
        self._clock = clock
        self._lookups: Coalescer[_Asked, Place] = Coalescer(self._find_all)

    async def place(self, sim: Sim) -> Place | None:
        """Where the SIM is, as far as that is known. An installation address is of this very moment."""
        return await self._lookups.get(_asked(sim))

    async def _find_all(self, wanted: Sequence[_Asked]) -> Mapping[_Asked, Place]:
        return await _find(self._db, wanted, self._clock())


async def latest(
    source: Database | asyncpg.Connection, sims: Iterable[Sim], now: datetime, *, here: Collection[str] = ()
) -> dict[str, Place]:
    """Where each of these SIMs is, by IMSI; those of which nothing is known are missing.

    `sims` as they are, or are about to be stored. `here`: those that the caller's batch shows at their slot,
    whatever is stored of it. `now`: the time of an installation address.
    """
    asked = {_asked(sim): sim.imsi for sim in sims}
    found = await _find(source, list(asked), now, here)
    return {asked[key]: place for key, place in found.items()}


_Asked = tuple[int, str, "str | None", "Seen | None"]
"""What of a SIM says where it is: bucket, IMSI, ICCID, and how it was seen last."""


def _asked(sim: Sim) -> _Asked:
    return sim.bucket, sim.imsi, sim.iccid, sim.seen


async def _find(
    source: Database | asyncpg.Connection, asked: Sequence[_Asked], now: datetime, here: Collection[str] = ()
) -> dict[_Asked, Place]:
    found = {}
    for key, row in await _rows(source, asked):
        place = _traces(row, key[3], now, is_here=key[1] in here).place()
        if place is not None:
            found[key] = place
    return found


async def with_notes(
    connection: asyncpg.Connection, sims: Iterable[Sim], now: datetime, *, here: Collection[str] = ()
) -> dict[str, tuple[Place | None, NotedPlace]]:
    """As `latest`, of SIMs that this transaction has locked: where each is, and the place that was written into its
    history last."""
    asked = [_asked(sim) for sim in sims]
    found: dict[str, tuple[Place | None, NotedPlace]] = {imsi: (None, NotedPlace()) for _, imsi, _, _ in asked}
    for key, row in await _rows(connection, asked):
        place = _traces(row, key[3], now, is_here=key[1] in here).place()
        source = row["noted_source"] and PlaceSource(row["noted_source"])
        found[key[1]] = place, NotedPlace(source, row["noted_ref"], row["changes"] or 0, row["noted_at"])
    return found


async def _rows(source: Database | asyncpg.Connection, asked: Sequence[_Asked]) -> list[tuple[_Asked, asyncpg.Record]]:
    slots = [seen.slot if seen else None for _, _, _, seen in asked]
    buckets = [bucket for bucket, _, _, _ in asked]
    rows = await source.fetch(
        Q["traces"],
        sorted(set(buckets)),
        numbers(buckets),
        lines([imsi for _, imsi, _, _ in asked]),
        lines([iccid for _, _, iccid, _ in asked]),
        lines([slot and slot.gateway_id for slot in slots]),
        lines([slot and slot.port for slot in slots]),
        lines([slot and slot.slot for slot in slots]),
    )
    return [(asked[row["ord"] - 1], row) for row in rows]


def _traces(row: asyncpg.Record, seen: Seen | None, now: datetime, *, is_here: bool) -> Traces:
    site = cell = address = shown_within = None
    if row["gateway"] is not None and seen is not None:
        at = seen.at
        if is_here:
            shown_within = offline_after(row["report_interval"])
        elif row["shown"]:
            at = max(filter(None, (row["status_at"], row["reported_at"])))  # sessions renew the time of the SIM, too
            shown_within = offline_after(row["report_interval"])
        elif row["has_slot"]:
            at = min(at, row["changed_at"])  # since then something else is there
        circle = row["site_latitude"], row["site_longitude"], row["site_radius"]
        site = Place(*circle, at, PlaceSource.SITE, str(row["gateway"]))
    if row["cell"] is not None:
        circle = row["cell_latitude"], row["cell_longitude"], row["cell_radius"]
        cell = Place(*circle, row["cell_at"], PlaceSource.CELL, row["cell"])
    if row["latitude"] is not None:
        address = Place(row["latitude"], row["longitude"], row["radius"], now, PlaceSource.ADDRESS, "")
    return Traces(site=site, shown_within=shown_within, cell=cell, address=address)


async def new_cells(
    connection: asyncpg.Connection, reports: Sequence[CellReport], refresh: timedelta
) -> list[CellReport]:
    """Those that say something else than what is known of a registered SIM, or the same much later (`refresh`).

    Left out is what a session says after its SIM was seen in another device: the element does not know yet that the
    session is over.
    """
    rows = await connection.fetch(
        Q["new_cells"],
        [bucket_of(item.imsi) for item in reports],
        [item.imsi for item in reports],
        [item.cell for item in reports],
        [item.area for item in reports],
        [item.at for item in reports],
        [item.imei for item in reports],
        [item.since for item in reports],
        refresh,
    )
    return [reports[row["ord"] - 1] for row in rows]


async def save_cells(connection: asyncpg.Connection, reports: Iterable[CellReport]) -> None:
    """Write the cells of SIMs that this transaction has locked, one report of each."""
    ordered = sorted(reports, key=lambda item: (bucket_of(item.imsi), item.imsi))
    await connection.execute(
        Q["save_cells"],
        [bucket_of(item.imsi) for item in ordered],
        [item.imsi for item in ordered],
        [item.cell for item in ordered],
        [item.area for item in ordered],
        [item.at for item in ordered],
    )


async def unknown_cells(connection: asyncpg.Connection, reports: Sequence[CellReport]) -> int:
    """How many of these are in a cell of which neither it nor the area around it is in the table."""
    rows = await connection.fetch(Q["unknown_cells"], [item.cell for item in reports], [item.area for item in reports])
    return len(rows)


async def note(connection: asyncpg.Connection, changes: Sequence[tuple[str, NotedPlace, Place | None]]) -> None:
    """Write changes of place of SIMs that this transaction has locked, by IMSI.

    Each as the last one that is noted, with its number; a known one into the history, where it takes the room of the
    one `KEPT` before.
    """
    ordered = sorted(changes, key=lambda item: (bucket_of(item[0]), item[0]))
    await connection.execute(
        Q["note"],
        [bucket_of(imsi) for imsi, _, _ in ordered],
        [imsi for imsi, _, _ in ordered],
        [last.source for _, last, _ in ordered],
        [last.ref for _, last, _ in ordered],
        [last.changes for _, last, _ in ordered],
        [last.changed_at for _, last, _ in ordered],
    )
    known = [(imsi, last, place) for imsi, last, place in ordered if place is not None]
    if known:
        await connection.execute(
            Q["add_changes"],
            [bucket_of(imsi) for imsi, _, _ in known],
            [imsi for imsi, _, _ in known],
            [last.changes % KEPT for _, last, _ in known],
            [place.at for _, _, place in known],
            [place.source for _, _, place in known],
            [place.ref for _, _, place in known],
            [place.latitude for _, _, place in known],
            [place.longitude for _, _, place in known],
            [place.radius for _, _, place in known],
        )


async def history(db: Database, sim: Sim, *, before: datetime, limit: int) -> list[PastPlace]:
    """Where a SIM was, the newest first."""
    rows = await db.fetch(Q["history"], sim.bucket, sim.imsi, before, limit)
    return [PastPlace(**dict(row) | {"source": PlaceSource(row["source"])}) for row in rows]


async def set_address(connection: asyncpg.Connection, sim: Sim, position: Site | None) -> None:
    """Give a SIM its installation address, or take it away."""
    values = (None, None, None) if position is None else msgspec.structs.astuple(position)
    await connection.execute(Q["set_address"], sim.bucket, sim.imsi, *values)


async def add_addresses(connection: asyncpg.Connection, addresses: Sequence[tuple[Sim, Site]]) -> None:
    """Give SIMs that are being added their installation addresses."""
    await connection.execute(
        Q["add_addresses"],
        [sim.bucket for sim, _ in addresses],
        [sim.imsi for sim, _ in addresses],
        [position.latitude for _, position in addresses],
        [position.longitude for _, position in addresses],
        [position.radius for _, position in addresses],
    )


async def address(db: Database, sim: Sim) -> Site | None:
    """A SIM's installation address."""
    row = await db.fetchrow(Q["address"], sim.bucket, sim.imsi)
    return None if row is None else Site(*row)


async def forget(connection: asyncpg.Connection, imsis: Sequence[str]) -> None:
    """Delete everything that is known of where these SIMs are and were."""
    await connection.execute(Q["forget"], [bucket_of(imsi) for imsi in imsis], imsis)


async def prune(db: Database, before: datetime, at_once: int) -> int:
    """Forget places and cells from before this, `at_once` rows a statement and a bucket at a time; returns how many."""
    count = 0
    for query in ("prune_changes", "prune_cells"):
        for bucket in ALL_BUCKETS:
            done = at_once
            while done >= at_once:
                done = await db.fetchval(Q[query], bucket, before, at_once)
                count += done
    return count
