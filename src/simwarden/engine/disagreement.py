"""Elements that show one SIM in different devices at once: the newest by source time counts, and it is told.

A SIM that moves from one element to another is no disagreement. One is when an element shows the device of before
again, shortly after another element showed the SIM in a different one; and when what goes on at an element is in
another device than a different element has shown since it began.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.events import CauseKind, EventType
from simwarden.store import doubts

if TYPE_CHECKING:
    import asyncpg

    from simwarden.domain.decision import Decision
    from simwarden.domain.reports import Report
    from simwarden.domain.sim import Sighting, Sim

WITHIN = timedelta(minutes=10)
"""A device that is shown again later is one that the SIM went back to."""


class Witness(msgspec.Struct, frozen=True):
    """The element that last showed a SIM in another device than before."""

    name: str
    at: datetime
    """When its report came."""
    imei: str
    before: str | None
    """14 digits, as `imei`; None: it was the first device of all."""


async def against_stale(connection: asyncpg.Connection, sim: Sim, sighting: Sighting, report: Report) -> Witness | None:
    """Who contradicts a sighting that did not count because another device was shown since it began; None: nobody."""
    if sighting.since is None or sim.seen is None or sighting.imei in (None, sim.seen.imei):
        return None
    if sighting.at <= sim.seen.at:
        return None
    return await _other(connection, sim, report)


async def against_change(
    connection: asyncpg.Connection, sim: Sim, sighting: Sighting, decision: Decision, report: Report
) -> Witness | None:
    """Who contradicts a sighting by which the SIM, as it was, comes back into the device of before; None: nobody.

    A card that is in another slot than before was moved there.
    """
    if not any(event.type is EventType.DEVICE_CHANGED for event in decision.events):
        return None
    if sighting.slot is not None and sim.seen is not None and sighting.slot != sim.seen.slot:
        return None
    other = await _other(connection, sim, report)
    if other is None or decision.sim.seen is None or other.before != decision.sim.seen.imei:
        return None
    return other if report.received_at - other.at < WITHIN else None


def told(decision: Decision, other: Witness) -> Decision:
    """The same, whose change of device says who showed the SIM in the other one."""
    events = tuple(
        msgspec.structs.replace(event, data={**event.data, "against": other.name})
        if event.type is EventType.DEVICE_CHANGED
        else event
        for event in decision.events
    )
    return msgspec.structs.replace(decision, events=events)


async def _other(connection: asyncpg.Connection, sim: Sim, report: Report) -> Witness | None:
    """The element that showed the device that the SIM is in, where it is another than the one that reports."""
    event = await doubts.last_device_event(connection, sim)
    if event is None or event.cause.kind is not CauseKind.REPORT or event.cause.source == report.gateway_name:
        return None
    before = event.data.get("before")
    imei = str(event.data["imei"])[:14]
    return Witness(event.cause.source, event.at, imei, None if before is None else str(before)[:14])
