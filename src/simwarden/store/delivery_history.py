"""Deliveries as people look at them, and sending some of them again."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from simwarden.domain.errors import ResourceNotFound
from simwarden.domain.identifiers import ALL_BUCKETS
from simwarden.store.deliveries import ClaimedQueue, Head
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from simwarden.store.database import Database

Q = load("deliveries")


_EVENT_ID = re.compile(r"([0-9a-f]{34})-([0-9]{1,9})")


class DeliveryNotFound(ResourceNotFound):
    """No delivery has this CloudEvents id."""


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery as people look at it."""

    event_id: str
    subscription_id: str
    n: int
    imsi: str
    event: int | None
    type: str
    time: datetime
    data: dict[str, Any]
    ends: bool
    status: str
    """PENDING, DELIVERED, DEAD (given up) or DROPPED (the sink ended the subscription before)."""
    sink: str
    created_at: datetime
    queued_at: datetime
    attempts: int
    attempted_at: datetime | None
    finished_at: datetime | None
    last_status: int | None
    last_error: str | None


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt as people look at it."""

    at: datetime
    duration_ms: int
    status: int | None
    """HTTP status; None when there was no answer."""
    error: str | None
    answer: str | None


async def show(db: Database, event_id: str) -> tuple[Listed, list[Attempt]]:
    """One delivery by its CloudEvents id, with its attempts in order. Raises DeliveryNotFound."""
    bucket, subscription_id, n = parse_event_id(event_id)
    row = await db.fetchrow(Q["show"], bucket, subscription_id, n)
    if row is None:
        raise DeliveryNotFound
    attempts = await db.fetch(Q["attempts"], bucket, subscription_id, n)
    return _listed(row), [Attempt(**dict(attempt)) for attempt in attempts]


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """How the events of a subscription fared, of those that are kept."""

    waiting: int = 0
    retrying: int = 0
    """Of those that wait: tried in vain."""
    delivered: int = 0
    failed: int = 0
    delivered_at: datetime | None = None
    last_error: str | None = None
    """Of those that wait or were given up."""
    last_error_at: datetime | None = None


async def health(db: Database, subscriptions: Sequence[str]) -> dict[str, Health]:
    """By subscription, in the order in which they are given."""
    if not subscriptions:
        return {}
    buckets = sorted({parse_event_id(f"{each}-0")[0] for each in subscriptions})
    rows = await db.fetch(Q["health"], buckets, list(subscriptions))
    found = {row["subscription_id"]: Health(**{name: row[name] for name in Health.__struct_fields__}) for row in rows}
    return {each: found.get(each, Health()) for each in subscriptions}


async def queue_of(db: Database, event_id: str) -> ClaimedQueue:
    """The queue of a delivery by its CloudEvents id, with that one as its only head. Raises DeliveryNotFound."""
    bucket, subscription_id, n = parse_event_id(event_id)
    queue = await db.fetchrow(Q["queue_of"], bucket, subscription_id)
    head = await db.fetchrow(Q["head_of"], bucket, subscription_id, n)
    if queue is None or head is None:
        raise DeliveryNotFound
    return ClaimedQueue(**dict(queue), heads=(Head(**dict(head)),))


async def replay(db: Database, event_id: str) -> int:
    """Send one delivery again, with the same id; returns 1, or 0 when it is pending anyway or its sink wants no more.

    Raises DeliveryNotFound.
    """
    bucket, subscription_id, n = parse_event_id(event_id)
    if await db.fetchrow(Q["show"], bucket, subscription_id, n) is None:
        raise DeliveryNotFound
    return await _replay(db, [bucket], subscription_id, n=n)


async def replay_since(
    db: Database, since: datetime, *, subscription_id: str | None = None, only_dead: bool = True
) -> int:
    """Send again what was created since a time and is finished, in order per subscription; returns how many.

    Subscriptions that were deleted, or ended by their sink or their token, are left alone.
    """
    buckets = ALL_BUCKETS if subscription_id is None else [parse_event_id(f"{subscription_id}-0")[0]]
    return await _replay(db, buckets, subscription_id, since=since, status="DEAD" if only_dead else None)


async def _replay(
    db: Database,
    buckets: Sequence[int],
    subscription_id: str | None,
    *,
    n: int | None = None,
    since: datetime | None = None,
    status: str | None = None,
) -> int:
    async with db.transaction() as connection:
        queues = await connection.fetch(Q["lock_replayable"], buckets, subscription_id, n, since, status)
        if not queues:
            return 0
        ids = [row["id"] for row in queues]
        rows = await connection.fetch(Q["replay"], sorted({row["bucket"] for row in queues}), ids, n, since, status)
        first: dict[tuple[int, str], int] = {}
        for row in rows:
            key = (row["bucket"], row["subscription_id"])
            first[key] = min(row["n"], first.get(key, row["n"]))
        await connection.execute(
            Q["reopen"], [bucket for bucket, _ in first], [id_ for _, id_ in first], list(first.values())
        )
        await connection.execute(Q["wake"])
    return len(rows)


def parse_event_id(event_id: str) -> tuple[int, str, int]:
    """Bucket, subscription and position of a delivery. Raises DeliveryNotFound when it cannot be one's id."""
    match = _EVENT_ID.fullmatch(event_id)
    if match is None:
        raise DeliveryNotFound
    return int(match[1][:2], 16), match[1], int(match[2])


def _listed(row: asyncpg.Record) -> Listed:
    return Listed(**{name: row[name] for name in Listed.__struct_fields__})
