"""SIMs whose traffic is limited, what is stored of it, and bars that end by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.domain.identifiers import ALL_BUCKETS, bucket_of
from simwarden.domain.traffic import Traffic
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import asyncpg

    from simwarden.store.database import Database

Q = load("limits")


async def traffic(connection: asyncpg.Connection, imsis: Sequence[str], since: datetime) -> dict[str, Traffic]:
    """What is stored of these SIMs' traffic in the hour that begins then: messages sent, and calls made, in it."""
    hour = Traffic(since, 0, 0)
    wanted = [bucket_of(imsi) for imsi in imsis], imsis, since, hour.until
    sms = {row["imsi"]: row["count"] for row in await connection.fetch(Q["sms_sent"], *wanted)}
    calls = {row["imsi"]: row["count"] for row in await connection.fetch(Q["calls_made"], *wanted)}
    return {imsi: Traffic(since, sms.get(imsi, 0), calls.get(imsi, 0)) for imsi in imsis}


async def due(db: Database, now: datetime, limit: int) -> list[str]:
    """SIMs of which a bar has come to its end, the longest ago first."""
    return [row["imsi"] for row in await db.fetch(Q["due"], ALL_BUCKETS, now, limit)]


async def next_due(db: Database) -> datetime | None:
    """When the next bar ends by itself."""
    found: datetime | None = await db.fetchval(Q["next_due"], ALL_BUCKETS)
    return found
