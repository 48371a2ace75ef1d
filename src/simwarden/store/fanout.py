"""Writing events into many queues, in a step behind the commit of the events (ADR 0013).

The commit leaves a row of `fan_out` that names the events. Each queue knows the last event that was added to it, so
whoever writes an event into it, here or where the subscription ends, does it once; and while a row stands for a SIM,
its later events queue behind it. A subscription made after the commit begins behind the event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.events import Event
from simwarden.domain.telling import concerns, correlator_of, told
from simwarden.store.outbox import EndReason, Outbox, save_outboxes
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    import asyncpg

    from simwarden.store.database import Database

Q = load("fanout")
INLINE = 8
"""Most queues of one SIM that are written in the commit of its events."""
CHUNK = 50
"""Queues that are written in one transaction."""
Key = tuple[int, str]
"""Bucket and IMSI of a SIM."""


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """Events of a SIM, committed together, that are to be written into the queues of all who subscribed."""

    bucket: int
    imsi: str
    first: int
    last: int
    account_id: str
    ends: bool = False
    """The SIM is no more: its subscriptions end behind the last event."""


def append(outboxes: Iterable[Outbox], events: Sequence[Event]) -> None:
    """Add events of one SIM to its queues, to each what it waits for and does not have yet."""
    for outbox in outboxes:
        for event in events:
            if outbox.topic != event.type or not concerns(event, outbox.id):
                continue
            data = told(event, outbox.type, outbox.id)
            if data is not None:
                outbox.append(data, event.at, event=event.n, correlator=correlator_of(event))


async def survey(
    connection: asyncpg.Connection, sims: Collection[Key], topics: Sequence[str] | None
) -> tuple[list[Key], set[Key]]:
    """Of these SIMs those whose few queues are to be written now, and those whose queues are to be written later.

    Others have none. The caller holds the SIMs' rows, so no subscription and no earlier event comes in between.
    """
    rows = await connection.fetch(Q["survey"], [b for b, _ in sims], [i for _, i in sims], topics, INLINE)
    now = [(row["bucket"], row["imsi"]) for row in rows if not row["later"]]
    return now, {(row["bucket"], row["imsi"]) for row in rows if row["later"]}


async def defer(connection: asyncpg.Connection, intents: Sequence[Intent]) -> None:
    """Leave it to `work` to write events into queues."""
    rows = [(one.bucket, one.imsi, one.first, one.last, one.account_id, one.ends) for one in intents]
    await connection.execute(Q["defer"], *map(list, zip(*rows, strict=True)))
    await connection.execute(Q["wake"])


async def catch_up(connection: asyncpg.Connection, outboxes: Sequence[Outbox]) -> None:
    """Add to locked queues the events that are on their way to them: before a subscription ends."""
    sims = sorted({(outbox.bucket, outbox.imsi) for outbox in outboxes})
    if not sims:
        return
    events: dict[Key, list[Event]] = {}
    for row in await connection.fetch(Q["waiting"], [b for b, _ in sims], [i for _, i in sims]):
        fields = {name: row[name] for name in Event.__struct_fields__}
        events.setdefault((row["bucket"], row["imsi"]), []).append(msgspec.convert(fields, Event))
    for outbox in outboxes:
        append([outbox], events.get((outbox.bucket, outbox.imsi), ()))


async def turns(db: Database, buckets: Sequence[int], limit: int) -> list[tuple[int, str, str]]:
    """SIMs whose events wait (bucket, IMSI, account), at most one of each account: the one that has waited longest."""
    return [(row["bucket"], row["imsi"], row["account_id"]) for row in await db.fetch(Q["turns"], buckets, limit)]


async def work(db: Database, bucket: int, imsi: str) -> int:
    """Write the events of a SIM that wait into up to `CHUNK` queues; returns how many deliveries that made."""
    async with db.transaction() as connection:
        rows = await connection.fetch(Q["lock"], bucket, imsi)
        if not rows:
            return 0
        # Behind the end of a SIM the next one begins: those who subscribed to that one are served after it.
        end = next((row for row in rows if row["ends"]), None)
        last: int = rows[-1]["n"] if end is None else end["n"]
        found = await connection.fetch(Q["events"], bucket, imsi, rows[0]["first"], last)
        events = [msgspec.convert(dict(row), Event) for row in found]
        topics = None if end is not None else sorted({str(event.type) for event in events})
        locked = await connection.fetch(Q["lock_untold"], bucket, imsi, last, topics, CHUNK)
        outboxes = [Outbox.of_row(row) for row in locked]
        append(outboxes, events)
        for outbox in outboxes:
            outbox.told_event = last
            if end is not None and outbox.ended_at is None:
                outbox.end(EndReason.NETWORK_TERMINATED, end["created_at"])
        count = await save_outboxes(connection, outboxes)
        if len(outboxes) < CHUNK:
            await connection.execute(Q["done"], bucket, imsi, last)
    return count


async def backlog(db: Database, buckets: Sequence[int]) -> tuple[int, float]:
    """How many commits' events wait to be written into queues, and for how many seconds the oldest has waited."""
    row = await db.fetchrow(Q["backlog"], buckets)
    assert row is not None
    return row["count"], row["age"]
