"""Inboxes, and the queues that lead to them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.identifiers import ALL_BUCKETS
from simwarden.store import deliveries, delivery_history
from simwarden.store.deliveries import ClaimedQueue
from simwarden.store.queries import load

if TYPE_CHECKING:
    import asyncpg

    from simwarden.store.database import Database

Q = load("inboxes")


class Inbox(msgspec.Struct, frozen=True, kw_only=True):
    """A sink that this server hosts."""

    id: str
    account_id: str
    app_key: str
    name: str
    secret: bytes
    """Encrypted."""
    created_at: datetime


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery in a queue that leads to an inbox."""

    status: str
    attempts: int
    queued_at: datetime
    lane_next: int
    has_token: bool
    """The subscription has an access token, which is sent along."""
    first: int | None
    """The queue's first pending delivery."""


def _inbox(row: asyncpg.Record | None) -> Inbox | None:
    return None if row is None else Inbox(**dict(row))


async def add(db: Database, id: str, account_id: str, app_key: str, name: str, secret: bytes) -> tuple[Inbox, bool]:  # noqa: A002
    """Store an inbox; the one that the application has by this name stays. Says whether it is new."""
    made = _inbox(await db.fetchrow(Q["insert"], id, account_id, app_key, name, secret))
    if made is not None:
        return made, True
    found = _inbox(await db.fetchrow(Q["of_name"], app_key, name))
    assert found is not None
    return found, False


async def find(
    db: Database,
    id: str,  # noqa: A002
    *,
    app_key: str | None = None,
    account_id: str | None = None,
) -> Inbox | None:
    """The inbox of this id, if it is this application's, or this account's."""
    return _inbox(await db.fetchrow(Q["find"], id, app_key, account_id))


async def take(db: Database, inbox_id: str, limit: int, hold: timedelta) -> list[ClaimedQueue]:
    """Up to `limit` due queues that lead here, each with its first pending delivery; held for `hold`."""
    due = await db.fetch(Q["due"], ALL_BUCKETS, inbox_id, limit)
    if not due:
        return []
    buckets = sorted({row["bucket"] for row in due})
    rows = await db.fetch(Q["take"], buckets, [row["id"] for row in due], inbox_id, hold)
    return await deliveries.heads(db, [ClaimedQueue(**dict(row)) for row in rows], 1)


async def next_due(db: Database, inbox_id: str) -> float | None:
    """Seconds until a queue that leads here is due; None when all are empty."""
    seconds: float | None = await db.fetchval(Q["next_due"], ALL_BUCKETS, inbox_id)
    return seconds


async def waiting(db: Database, inbox_id: str, event_id: str) -> Waiting:
    """The delivery of this CloudEvents id. Raises DeliveryNotFound, also when its queue leads elsewhere."""
    bucket, subscription_id, n = delivery_history.parse_event_id(event_id)
    row = await db.fetchrow(Q["head"], bucket, subscription_id, n, inbox_id)
    if row is None:
        raise delivery_history.DeliveryNotFound
    return Waiting(**dict(row))
