"""Crossings of geofences: decided in the commit of the change of place, told by the subscriptions' queues."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.domain.events import EventType
from simwarden.engine.unit_of_work import Outcome, UnitOfWork
from simwarden.store import geofences

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import asyncpg

    from simwarden.domain.events import Cause
    from simwarden.domain.geofence import Geofence
    from simwarden.domain.place import Place


async def judge(
    connection: asyncpg.Connection, places: Mapping[str, Place | None], now: datetime, causes: Mapping[str, Cause]
) -> Outcome:
    """Compare where SIMs came to, by IMSI, with the geofences of their subscriptions, in the caller's transaction.

    The caller holds the rows of these SIMs. Those without a geofence cost a probe of an index, all in one statement;
    with some, each is compared once. A SIM of which nobody knows where it is crosses nothing. `causes`: by IMSI too.
    """
    known = {imsi: place for imsi, place in places.items() if place is not None}
    found = await geofences.of_sims(connection, sorted(known)) if known else {}
    if not found:
        return Outcome()
    moved: dict[tuple[str, str], Geofence] = {}
    crossed: dict[str, dict[EventType, list[str]]] = {}
    for imsi, fences in found.items():
        for id_, fence in fences.items():
            after, is_crossed = fence.follow(known[imsi])
            if after is not fence:
                moved[imsi, id_] = after
            if is_crossed:
                crossed.setdefault(imsi, {}).setdefault(topic_of(fence), []).append(id_)
    if moved:
        await geofences.save(connection, moved)
    if not crossed:
        return Outcome()
    changes = UnitOfWork(connection, now)
    await changes.lock(crossed)
    for imsi, kinds in crossed.items():
        for kind, ids in sorted(kinds.items()):
            changes.record(imsi, kind, causes[imsi], None, {"subscriptions": sorted(ids)})
    return await changes.write()


def topic_of(fence: Geofence) -> EventType:
    """The event that a fence's subscription waits for."""
    return EventType.GEOFENCE_ENTERED if fence.enters else EventType.GEOFENCE_LEFT
