"""What is done to queues from time to time: ending subscriptions, giving up, counting, forgetting."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from simwarden.kit.clock import now_utc
from simwarden.store import delivery_alarms, fanout, subscriptions
from simwarden.store.outbox import save_outboxes
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simwarden.store.database import Database

Q = load("deliveries")


END_BATCH = 500
"""Subscriptions that are ended in one transaction."""


async def end_due(db: Database, buckets: Sequence[int], now: datetime, limit: int = END_BATCH) -> int:
    """End up to `limit` subscriptions whose time, or the time of whose token, is over, and say so; returns how many."""
    async with db.transaction() as connection:
        outboxes = await subscriptions.lock_ending(connection, buckets, limit)
        await fanout.catch_up(connection, outboxes)
        for outbox in outboxes:
            if outbox.ended_at is None:
                outbox.end(outbox.due_reason(), now)
        await save_outboxes(connection, outboxes)
    return len(outboxes)


async def give_up_old(db: Database, buckets: Sequence[int], before: datetime) -> int:
    """Give up pending deliveries queued before this time, tried or not; returns how many."""
    async with db.transaction() as connection:
        queues = await connection.fetch(Q["give_up_old"], buckets, before)
        reason = "the sink could not be reached in time"
        troubles = [delivery_alarms.given_up(queue, reason, answered=False, times=queue["times"]) for queue in queues]
        await delivery_alarms.raise_given_up(connection, troubles, now_utc())
    return sum(queue["times"] for queue in queues)


async def pending_queues(db: Database, buckets: Sequence[int]) -> int:
    """How many queues have something to deliver."""
    count: int = await db.fetchval(Q["pending_queues"], buckets)
    return count


async def prune(db: Database, buckets: Sequence[int], *, before: datetime, attempts_before: datetime) -> int:
    """Forget finished deliveries and attempts that are older, and ended subscriptions with nothing left of them."""
    await db.execute(Q["prune_attempts"], buckets, attempts_before)
    count = await db.execute(Q["prune"], buckets, before)
    await subscriptions.prune(db, buckets, before)
    return count
