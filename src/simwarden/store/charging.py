"""Charging sessions that are open."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.identifiers import ALL_BUCKETS, bucket_of
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from simwarden.store.database import Database

Q = load("charging")
MOST = 64
"""Of a SIM at an element. A device has at most 15 sessions (3GPP TS 24.007 11.2.3.1b); older ones were never ended."""


class OpenCharging(msgspec.Struct, frozen=True):
    """One of them."""

    imsi: str | None
    """None: of a SIM that is not registered. Such sessions are no longer stored."""
    notify_uri: str | None
    created_at: datetime
    apn: str | None


class ChargingSessions:
    """Every method may raise StoreUnavailable."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def open(self, bucket: int, ref: str, element_id: int, opened: OpenCharging) -> None:
        """Enter one; nothing changes where it is there."""
        async with self._db.transaction() as connection:
            more = opened.imsi, opened.notify_uri, opened.created_at, opened.apn
            await connection.execute(Q["open"], bucket, ref, element_id, *more)
            await connection.execute(Q["forget_oldest"], bucket, opened.imsi, element_id, MOST)

    async def find(self, bucket: int, ref: str, element_id: int) -> OpenCharging | None:
        """One by its ref, at the element that opened it."""
        row = await self._db.fetchrow(Q["find"], bucket, ref, element_id)
        return None if row is None else OpenCharging(*row)

    async def close(self, bucket: int, ref: str, element_id: int) -> None:
        """It is over."""
        await self._db.execute(Q["close"], bucket, ref, element_id)

    async def notify_uris(self, element_id: int, imsis: Sequence[str]) -> dict[tuple[str, str], str | None]:
        """Where the charging sessions of SIMs at an element are told something, by IMSI and ref."""
        rows = await self._db.fetch(Q["notify"], [bucket_of(imsi) for imsi in imsis], imsis, element_id)
        return {(row["imsi"], row["ref"]): row["notify_uri"] for row in rows}


async def forget(connection: asyncpg.Connection, imsis: Sequence[str]) -> None:
    """Nothing of these SIMs is kept."""
    await connection.execute(Q["forget"], [bucket_of(imsi) for imsi in imsis], list(imsis))


async def forget_element(connection: asyncpg.Connection, element_id: int) -> None:
    """Delete those of an element that is deleted."""
    await connection.execute(Q["of_element"], ALL_BUCKETS, element_id)
