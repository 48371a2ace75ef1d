"""What a batch of reports says of where SIMs are: cells are stored, changes of place written down and judged.

A SIM that stays in its gateway costs nothing here: its place is the gateway's site, which is looked up when somebody
asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.domain.place import PlaceSource
from simwarden.store import places
from simwarden.store.places import CellReport, NotedPlace

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime, timedelta

    import asyncpg

    from simwarden.domain.place import Place
    from simwarden.domain.sim import Sim
    from simwarden.engine.unit_of_work import UnitOfWork

GRAIN_SECONDS = 60
"""A cell that a SIM left sooner is overwritten in its history by the next: one between two cells fills no history."""


class PlaceBook:
    """Of one transaction."""

    def __init__(self, connection: asyncpg.Connection, refresh: timedelta, now: datetime) -> None:
        """`refresh`: how old the stored time of a cell may become before a repeated one is written."""
        self._connection = connection
        self._refresh = refresh
        self._now = now
        self._cells: dict[str, CellReport] = {}
        self.unknown_cells = 0
        """Changes of cell into one that is in no table, nor is the area around it: that says no place."""

    async def compare(self, reports: Iterable[CellReport]) -> set[str]:
        """Find those reports of cells that say something new; returns their SIMs, to be locked."""
        newest: dict[str, CellReport] = {}
        for report in reports:
            if report.imsi not in newest or report.at >= newest[report.imsi].at:
                newest[report.imsi] = report
        if newest:
            fresh = await places.new_cells(self._connection, list(newest.values()), self._refresh)
            self._cells = {report.imsi: report for report in fresh}
        return set(self._cells)

    async def follow(self, changes: UnitOfWork, here: Collection[str]) -> dict[str, Place | None]:
        """Write down which of the locked SIMs changed their place, as their sightings were decided.

        `here`: those that this batch shows in a slot. Returns the changed ones, by IMSI, with their place.
        """
        cells = [report for imsi, report in self._cells.items() if imsi in changes.sims]
        if cells:
            await places.save_cells(self._connection, cells)
            self.unknown_cells = await places.unknown_cells(self._connection, cells)
        moved = [sim for imsi, sim in changes.sims.items() if _may_have_moved(changes.before(imsi), sim)]
        moved += [changes.sims[report.imsi] for report in cells]
        asked = {sim.imsi: sim for sim in moved}
        if not asked:
            return {}
        found = await places.with_notes(self._connection, asked.values(), self._now, here=here)
        return await write_down(self._connection, found)


def _may_have_moved(before: Sim, after: Sim) -> bool:
    """Whether a sighting showed the SIM at another gateway, or in another device."""
    if before.seen is after.seen or after.seen is None:
        return False
    if before.seen is None or before.seen.imei != after.seen.imei:
        return True
    old, new = before.seen.slot, after.seen.slot
    return (old and old.gateway_id) != (new and new.gateway_id)


async def write_down(
    connection: asyncpg.Connection, found: Mapping[str, tuple[Place | None, NotedPlace]]
) -> dict[str, Place | None]:
    """Keep in their histories where locked SIMs are, beside what is noted; returns those whose place is another one.

    A SIM that is nowhere any more has no place in its history for that; from what it comes back is a change again.
    """
    changed = {}
    news = []
    for imsi, (place, last) in found.items():
        if place is None:
            if last.source is None:
                continue
            note = NotedPlace(None, None, last.changes, last.changed_at)
        elif (last.source, last.ref) == (place.source, place.ref):
            continue
        else:
            brief = (
                last.source is place.source is PlaceSource.CELL
                and last.changed_at is not None
                and (place.at - last.changed_at).total_seconds() < GRAIN_SECONDS
            )
            note = NotedPlace(place.source, place.ref, last.changes + (0 if brief else 1), place.at)
        changed[imsi] = place
        news.append((imsi, note, place))
    if news:
        await places.note(connection, news)
    return changed
