"""Doubts about reports, and which gateways are to be asked for their status because of them.

Whoever watches over doubts (alarms, metrics) has one place to look at: `gateway_doubt`, written by `add` in the
transaction that met the report, settled by `settle` and `give_up`. `open` rows have no outcome yet.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from simwarden.domain.doubt import DoubtKind, DoubtOutcome
from simwarden.domain.events import Event
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import asyncpg

    from simwarden.domain.doubt import Doubt
    from simwarden.domain.sim import Sim
    from simwarden.store.database import Database

Q = load("doubts")
CHANNEL = "simwarden_poll"
KEPT = 1000
"""Doubts kept per gateway."""
PRUNE_EVERY = 50
GAP = timedelta(seconds=10)
"""A gateway is not asked again before: forged reports cause no storm of questions."""


class OpenDoubt(msgspec.Struct, frozen=True):
    """A doubt that a status may settle."""

    id: int
    gateway_id: int
    kind: DoubtKind
    imsi: str
    imei: str | None
    port: int
    slot: int
    claim: bytes
    against: int | None


class DuePoll(msgspec.Struct, frozen=True):
    """A gateway to be asked now."""

    gateway_id: int
    attempts: int
    """How often it did not answer."""


async def add(connection: asyncpg.Connection, doubts: Sequence[tuple[Doubt, int]]) -> None:
    """Write doubts, each with how many reports it stands for; like ones that are open are one row.

    The caller has locked the gateways that reported. No two doubts may be alike (gateway, kind, SIM, port, slot).
    """
    items = [doubt for doubt, _ in doubts]
    rows = await connection.fetch(
        Q["add"],
        [d.gateway_id for d in items],
        [d.kind for d in items],
        [d.at for d in items],
        [count for _, count in doubts],
        [d.message for d in items],
        [d.imsi for d in items],
        [d.port for d in items],
        [d.slot for d in items],
        [d.imei for d in items],
        [d.claim for d in items],
        [d.against for d in items],
    )
    if any(row["id"] % PRUNE_EVERY == 0 for row in rows):
        for gateway_id in {d.gateway_id for d in items}:
            await connection.execute(Q["prune"], gateway_id, KEPT)


async def ask(connection: asyncpg.Connection, gateway_ids: Sequence[int], now: datetime) -> bool:
    """These gateways are to be asked for their status: now, or GAP after the last time. Those without a command URL
    cannot be. Returns whether any is."""
    rows = await connection.fetch(Q["ask"], sorted(gateway_ids), now, GAP)
    if rows:
        await connection.execute(f"select pg_notify('{CHANNEL}', '')")
    return bool(rows)


async def open_for(connection: asyncpg.Connection, gateway_id: int, asked_at: datetime) -> list[OpenDoubt]:
    """The doubts that a status of this gateway, asked for at `asked_at`, may settle: about its own reports, and about
    those of others that contradict it."""
    rows = [
        *await connection.fetch(Q["open_of"], gateway_id, asked_at),
        *await connection.fetch(Q["open_against"], gateway_id, asked_at),
    ]
    return [msgspec.convert(dict(row), OpenDoubt) for row in rows]


async def settle(connection: asyncpg.Connection, outcomes: Mapping[int, DoubtOutcome], now: datetime) -> None:
    """Write what became of doubts, by id."""
    await connection.execute(Q["settle"], list(outcomes), list(outcomes.values()), now)


async def answered(connection: asyncpg.Connection, gateway_id: int, now: datetime) -> None:
    """A gateway reported its status; it is asked again if doubts are open still."""
    await connection.execute(Q["answered"], gateway_id, now, GAP)


async def claim(db: Database, now: datetime, term: timedelta, limit: int) -> list[DuePoll]:
    """Take gateways that are to be asked now; nobody else gets them before `term` is over."""
    rows = await db.fetch(Q["claim"], now, term, limit)
    return [DuePoll(row["gateway_id"], row["attempts"]) for row in rows]


async def next_due(db: Database) -> datetime | None:
    """When the next gateway is to be asked."""
    found: datetime | None = await db.fetchval(Q["next_due"])
    return found


async def unanswered(db: Database, gateway_id: int, now: datetime, again_at: datetime | None) -> None:
    """A gateway did not report its status: ask it again then, or (None) give up, and say so of its doubts."""
    async with db.transaction() as connection:
        await connection.execute(Q["unanswered"], gateway_id, now, again_at)
        if again_at is None:
            await connection.execute(Q["give_up"], gateway_id, now)


async def forget(db: Database, gateway_id: int) -> None:
    """The gateway was removed."""
    await db.execute(Q["forget"], gateway_id)


async def last_device_event(connection: asyncpg.Connection, sim: Sim) -> Event | None:
    """The newest stored event by which a SIM came into the device that it is in."""
    row = await connection.fetchrow(Q["last_device_event"], sim.bucket, sim.imsi, sim.first_event)
    return None if row is None else msgspec.convert(dict(row), Event)


async def page(db: Database, name: str | None, *, before: int | None = None, limit: int = 100) -> list[dict[str, Any]]:
    """Doubts of one gateway or all, newest first, from behind the id `before`."""
    return [dict(row) for row in await db.fetch(Q["list"], name, before, limit)]
