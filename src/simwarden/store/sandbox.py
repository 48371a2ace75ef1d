"""Changes of virtual SIMs that are still to be added to subscriptions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simwarden.domain.identifiers import ALL_BUCKETS, full_imei
from simwarden.store import subscriptions
from simwarden.store.outbox import Outbox, save_outboxes
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import asyncpg

    from simwarden.store.database import Database

Q = load("sandbox")
BATCH = 200


async def write_down(
    connection: asyncpg.Connection,
    bucket: int,
    subscription_id: str,
    changes: Sequence[tuple[datetime, dict[str, Any]]],
) -> None:
    """Store what is to be added to a subscription at these times: the data of its events."""
    await connection.execute(
        Q["write_down"], bucket, subscription_id, [at for at, _ in changes], [data for _, data in changes]
    )


async def next_due(db: Database) -> float | None:
    """Seconds until the next change; None when there is none."""
    seconds: float | None = await db.fetchval(Q["next_due"], ALL_BUCKETS)
    return seconds


async def play(db: Database, now: datetime) -> int:
    """Put what is due into its queues; returns how many. Each change is played once, whoever else plays."""
    count = 0
    for row in await db.fetch(Q["due"], ALL_BUCKETS, now, BATCH):
        async with db.transaction() as connection:
            locked = await subscriptions.lock_any(connection, row["bucket"], row["subscription_id"])
            played = await connection.execute(Q["played"], row["bucket"], row["subscription_id"], row["due_at"])
            if locked is None or locked["ended_at"] is not None or played != "DELETE 1":
                continue
            outbox = Outbox.of_row(locked)
            before = {} if row["imei"] is None else {"imei": full_imei(row["imei"])}  # written before there was data
            outbox.append(before if row["data"] is None else row["data"], row["due_at"], event=None)
            await save_outboxes(connection, [outbox])
            count += 1
    return count
