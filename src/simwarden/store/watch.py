"""What the watch over the whole installation reads: who is silent, what waits too long, what is over."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.alarm import AlarmKind
from simwarden.domain.report_order import SILENT_INTERVALS
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from simwarden.domain.alarm import Key
    from simwarden.store.database import Database

Q = load("watch")


class Beat(msgspec.Struct, frozen=True):
    """When the watch last looked, and since when it has without a long break."""

    at: datetime
    since: datetime


class Silent(msgspec.Struct, frozen=True):
    """A gateway that fell silent."""

    id: int
    name: str
    reported_at: datetime
    report_interval: int
    address: str | None


class Backlog(msgspec.Struct, frozen=True):
    """Work that is due."""

    seconds: float = 0.0
    """How long the oldest has been due; not positive when nothing is."""
    waiting: int = 0
    """How much of it is overdue; counted up to 10,001."""
    origin: str | None = None
    """Of deliveries: the origin whose queue has waited longest."""


async def last_beat(db: Database) -> Beat | None:
    """None: nobody has ever looked."""
    row = await db.fetchrow(Q["last_beat"])
    return None if row is None else Beat(row["at"], msgspec.convert(row["counts"]["since"], datetime))


async def beat(db: Database, mark: Beat) -> None:
    """Say that the watch looks; a small commit, whose time is measured."""
    await db.execute(Q["beat"], mark.at, {"since": mark.since})


async def fell_silent(connection: asyncpg.Connection, now: datetime, since: datetime) -> list[Silent]:
    """Mark the gateways that have been silent too long, counted from `since` at the earliest; returns the new ones."""
    rows = await connection.fetch(Q["silent"], now, since, SILENT_INTERVALS)
    return [Silent(**dict(row)) for row in rows]


async def nothing_waits(connection: asyncpg.Connection) -> list[int]:
    """Gateways that did not answer commands, and at which there is nothing to be commanded any more."""
    return [row["gateway_id"] for row in await connection.fetch(Q["nothing_waits"])]


async def quiet(connection: asyncpg.Connection, kinds: Sequence[AlarmKind], now: datetime) -> list[Key]:
    """Open alarms of these kinds whose trouble was not found for three intervals of their gateway."""
    return [_key(row) for row in await connection.fetch(Q["quiet"], list(kinds), now, SILENT_INTERVALS)]


async def gateway_gone(connection: asyncpg.Connection) -> list[Key]:
    """Open alarms about gateways that are not in the register any more."""
    return [_key(row) for row in await connection.fetch(Q["gateway_gone"])]


async def dead_no_more(connection: asyncpg.Connection) -> list[Key]:
    """Open alarms about deliveries that were given up, of which nothing is left."""
    return [_key(row) for row in await connection.fetch(Q["dead_no_more"])]


async def enforcement_backlog(db: Database, now: datetime, over: timedelta) -> Backlog:
    """Slots that are to be acted upon and are not: the oldest, and how many are due for longer than `over`."""
    row = await db.fetchrow(Q["enforcement_backlog"], now, now - over)
    return Backlog() if row is None or row["seconds"] is None else Backlog(row["seconds"], row["waiting"])


async def delivery_backlog(db: Database, over: timedelta) -> Backlog:
    """Queues that are due and are not worked on: the oldest, and how many origins have one due for longer."""
    row = await db.fetchrow(Q["delivery_backlog"], over)
    return Backlog() if row is None else Backlog(row["seconds"], row["waiting"], row["origin"])


def _key(row: asyncpg.Record) -> Key:
    return AlarmKind(row["kind"]), row["subject"]
