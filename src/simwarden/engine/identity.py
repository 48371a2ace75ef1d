"""Giving a SIM another phone number or network access identifier, or none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.errors import SimExists, SimNotFound
from simwarden.domain.events import Event, EventType
from simwarden.engine import following, publishing
from simwarden.kit.clock import now_utc
from simwarden.store import sim_names, sims

if TYPE_CHECKING:
    from simwarden.domain.events import Cause
    from simwarden.domain.sim import Sim
    from simwarden.store.database import Database


async def rename(db: Database, imsi: str, names: dict[str, str | None], cause: Cause) -> Sim:
    """Set `msisdn` and `nai` of a SIM to values in canonical form, None for none; nothing is done when they are so.

    The event SIM_CHANGED, the row and the names by which it is found change together. Raises SimNotFound; SimExists
    when another SIM has the name.
    """
    async with db.transaction() as connection:
        before = (await sims.lock(connection, [imsi])).get(imsi)
        if before is None:
            raise SimNotFound
        after = msgspec.structs.replace(before, **names)
        if after == before:
            return before
        since = before.number_since if after.msisdn == before.msisdn else None
        after = msgspec.structs.replace(after, event_count=before.event_count + 1, number_since=since)
        old = dict(sim_names.names_of(before))
        new = {kind: value for kind, value in sim_names.names_of(after) if old.get(kind) != value}
        if await sim_names.taken(connection, [(str(kind), value) for kind, value in new.items()]):
            raise SimExists(f"Another SIM has the {' or the '.join(str(kind) for kind in new)} already")
        now = now_utc()
        moved = await sim_names.rename(connection, before, after, now)
        data = {"before": {name: getattr(before, name) for name in names}, "after": dict(names)}
        event = Event(after.event_count, EventType.SIM_CHANGED, now, cause, data)
        await sims.add_events(connection, [(after, event)])
        await publishing.publish(connection, [(after, [event])])
        await following.publish(connection, moved, cause)
    return after
