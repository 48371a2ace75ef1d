"""Counts over the whole installation, taken now and then by one worker, read by every server's page of metrics."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from simwarden.domain.alarm import UNREACHABLE_AFTER
from simwarden.domain.identifiers import ALL_BUCKETS
from simwarden.domain.report_order import SILENT_INTERVALS
from simwarden.store import fanout
from simwarden.store.queries import load

if TYPE_CHECKING:
    from simwarden.store.database import Database

Q = load("fleet")
_FLEET, _SIMS = "fleet", "sims"


class OpenWork(msgspec.Struct, frozen=True):
    """Slots that are to be acted upon, in one status."""

    count: int
    oldest: float
    """Seconds."""


class Lanes(msgspec.Struct, frozen=True):
    """Subscriptions with an event that its sink has not taken."""

    count: int = 0
    oldest: float = 0.0
    """Seconds that the longest has waited."""
    older: dict[str, int] = {}
    """How many have waited longer than so many seconds."""


class OpenAlarms(msgspec.Struct, frozen=True):
    """Open alarms of one kind and severity."""

    kind: str
    severity: str
    count: int
    unacknowledged: int


class FleetCounts(msgspec.Struct, frozen=True):
    """What is counted every few seconds."""

    gateways: dict[str, int]
    """By state."""
    unreachable: int
    """Gateways that do not answer commands."""
    enforcements: dict[str, OpenWork]
    """By status."""
    lanes: Lanes
    fan_out: float
    """Seconds that the event has waited that has waited longest to be written into its lanes."""
    alarms: list[OpenAlarms]


class SimCount(msgspec.Struct, frozen=True):
    """SIMs of one binding state and lifecycle."""

    state: str
    lifecycle: str
    count: int
    off: int
    """Of these, how many are not to work in full."""


class LastCounts(msgspec.Struct, frozen=True):
    """What was counted last, and when."""

    fleet: FleetCounts | None = None
    fleet_at: datetime | None = None
    sims: list[SimCount] = []
    sims_at: datetime | None = None


async def count_fleet(db: Database, now: datetime, alarms: list[dict[str, Any]]) -> FleetCounts:
    """Count gateways, open work and waiting lanes; takes time with what is open, not with what is registered."""
    gateways = await db.fetchrow(Q["gateways"], now, SILENT_INTERVALS, UNREACHABLE_AFTER)
    work = await db.fetch(Q["enforcements"], now)
    lanes = await db.fetchrow(Q["deliveries"])
    assert gateways is not None
    assert lanes is not None
    return FleetCounts(
        gateways={name: gateways[name] for name in ("ONLINE", "OFFLINE", "NEVER_REPORTED")},
        unreachable=gateways["unreachable"],
        enforcements={row["status"]: OpenWork(row["count"], row["oldest"]) for row in work},
        lanes=Lanes(lanes["lanes"], lanes["oldest"], {age: lanes[age] for age in ("60", "600", "3600")}),
        fan_out=(await fanout.backlog(db, ALL_BUCKETS))[1],
        alarms=[OpenAlarms(**row) for row in alarms],
    )


async def count_sims(db: Database, first: int, last: int) -> Counter[tuple[str, str, bool]]:
    """SIMs in buckets from `first` to before `last`, by binding state, lifecycle, and whether a function is off."""
    rows = await db.fetch(Q["sims"], first, last)
    return Counter({(row["state"], row["lifecycle"], row["off"]): row["count"] for row in rows})


def sim_counts(counted: Counter[tuple[str, str, bool]]) -> list[SimCount]:
    """The same as it is kept."""
    kinds = sorted({(state, lifecycle) for state, lifecycle, _ in counted})
    return [
        SimCount(state, lifecycle, counted[state, lifecycle, False] + off, off)
        for state, lifecycle in kinds
        for off in (counted[state, lifecycle, True],)
    ]


async def keep_fleet(db: Database, fleet: FleetCounts, now: datetime) -> None:
    """For the pages of metrics."""
    await db.execute(Q["keep"], _FLEET, now, msgspec.to_builtins(fleet))


async def keep_sims(db: Database, sims: list[SimCount], now: datetime) -> None:
    """For the pages of metrics."""
    await db.execute(Q["keep"], _SIMS, now, {"sims": msgspec.to_builtins(sims)})


async def read(db: Database) -> LastCounts:
    """What was counted last. Raises StoreUnavailable."""
    rows = {row["name"]: row for row in await db.fetch(Q["read"], [_FLEET, _SIMS])}
    fleet, sims = rows.get(_FLEET), rows.get(_SIMS)
    return LastCounts(
        fleet=msgspec.convert(fleet["counts"], FleetCounts) if fleet else None,
        fleet_at=fleet["at"] if fleet else None,
        sims=msgspec.convert(sims["counts"]["sims"], list[SimCount]) if sims else [],
        sims_at=sims["at"] if sims else None,
    )
