"""Queues of deliveries: claiming what is due, recording what came of it, and looking after the rest."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from simwarden.domain.telling import CONTENT, SHORT_MESSAGE
from simwarden.store import delivery_alarms, messages, record_news, subscriptions
from simwarden.store.outbox import EndReason, Outbox, save_outboxes
from simwarden.store.queries import load
from simwarden.store.record_news import SealedRecord

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import asyncpg

    from simwarden.store.database import Database


Q = load("deliveries")
VISITS = 256
"""Origins of one account that one look goes through."""


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """A pending delivery near the head of its queue."""

    n: int
    event_id: str
    type: str
    time: datetime
    data: dict[str, Any]
    correlator: str | None
    ends: bool
    created_at: datetime
    queued_at: datetime
    attempts: int
    sealed: bytes | None = None
    """The message that `data` stands for; None where it stands for none, or for one that is deleted."""
    record: SealedRecord | None = None
    """The record whose text and numbers go with `data`; None where there is none, or it is deleted."""


HEAD = tuple(name for name in Head.__struct_fields__ if name not in {"sealed", "record"})


class ClaimedQueue(msgspec.Struct, frozen=True, kw_only=True):
    """A subscription whose next delivery is due, with what it takes to send it."""

    bucket: int
    id: str
    account_id: str
    sink: str
    origin: str
    protocol_settings: dict[str, Any] | None
    sealed_target: bytes | None = None
    """Sink and settings are masked while this is there (store/targets.py opens it)."""
    credential: bytes | None
    signing_secrets: bytes
    ended: bool
    lane_next: int
    delivery_count: int
    heads: tuple[Head, ...] = ()


_DUE = tuple(name for name in ClaimedQueue.__struct_fields__ if name != "heads")


class Claimed(msgspec.Struct, frozen=True):
    """What one look at the queues found."""

    queues: list[ClaimedQueue]
    after: dict[str, str]
    """By account with more origins than were looked at: the last one of those."""
    next_due: float | None
    """Seconds until a queue of what was looked at becomes due; None when none waits for its time."""


class AttemptResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one attempt met with, and what the delivery is after it."""

    n: int
    status: str
    """PENDING (another attempt follows), DELIVERED or DEAD."""
    attempts: int
    at: datetime
    duration: timedelta
    answer_status: int | None
    error: str | None
    answer: str | None


class QueueResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a claimed queue."""

    bucket: int
    id: str
    claimed: int
    """`lane_next` when it was claimed."""
    next: int
    """The first delivery that may still be pending."""
    delay: timedelta
    """How long that one waits."""
    tried: tuple[AttemptResult, ...]
    end: EndReason | None = None
    """The sink ended the subscription: what is pending is dropped."""


async def claim(
    db: Database,
    buckets: Sequence[int],
    *,
    busy: Collection[ClaimedQueue],
    capacity: Mapping[str, int],
    others: int,
    accounts: Mapping[str, int],
    newcomers: int,
    after: Mapping[str, str],
    limit: int,
    visits: int = VISITS,
) -> Claimed:
    """Up to `limit` due queues without those in `busy`, accounts in turn, of each what is longest due; no heads yet.

    Of an origin in `capacity` so many at most, of any other one `others`; of an account in `accounts` so many at most,
    of any other one `newcomers`. So each origin costs the same, however many of its queues wait. Of an account no more
    than `visits` origins are looked at, those behind `after`, the one at which the last look stopped.
    """
    held = Counter(queue.origin for queue in busy)
    room = {**dict.fromkeys(held, others), **capacity}
    look = [count + held[origin] if count else 0 for origin, count in room.items()]
    rows = await db.fetch(
        Q["due_queues"],
        buckets,
        [queue.id for queue in busy],
        list(room),
        look,
        others,
        list(accounts),
        list(accounts.values()),
        [after.get(account, "") for account in accounts],
        newcomers,
        visits,
        limit,
    )
    queues = [ClaimedQueue(**{name: row[name] for name in _DUE}) for row in rows if row["id"] is not None]
    looked = [row for row in rows if row["id"] is None]
    stopped = {row["account_id"]: row["origin"] for row in looked}
    kept = {
        account: origin for account, origin in after.items() if account not in stopped and accounts.get(account) == 0
    }
    due = [row["next_due"] for row in looked if row["next_due"] is not None]
    return Claimed(
        queues, kept | {account: origin for account, origin in stopped.items() if origin}, min(due, default=None)
    )


async def heads(db: Database, queues: Sequence[ClaimedQueue], limit: int) -> list[ClaimedQueue]:
    """The same queues, each with up to `limit` pending deliveries in order."""
    if not queues:
        return []
    rows = await db.fetch(
        Q["heads"],
        [queue.bucket for queue in queues],
        [queue.id for queue in queues],
        [queue.lane_next for queue in queues],
        limit,
    )
    ids = [row["data"][SHORT_MESSAGE] for row in rows if SHORT_MESSAGE in row["data"]]
    kept = await messages.texts(db, ids) if ids else {}
    places = [row["data"][CONTENT] for row in rows if CONTENT in row["data"]]
    told = await record_news.sealed(db, places) if places else {}
    found: list[list[Head]] = [[] for _ in queues]
    for row in rows:
        sealed = kept.get(row["data"].get(SHORT_MESSAGE, ""))
        record = told.get(row["data"].get(CONTENT, ""))
        found[row["ord"] - 1].append(Head(**{name: row[name] for name in HEAD}, sealed=sealed, record=record))
    return [msgspec.structs.replace(queue, heads=tuple(items)) for queue, items in zip(queues, found, strict=True)]


async def record(db: Database, results: Sequence[QueueResult], now: datetime) -> bool:
    """Write what came of claimed queues, all or nothing; returns whether any of them has more to deliver."""
    buckets, ids = [result.bucket for result in results], [result.id for result in results]
    tried = [(result, one) for result in results for one in result.tried]
    async with db.transaction() as connection:
        queues = await connection.fetch(Q["lock_queues"], buckets, ids)
        if tried:
            await _record_attempts(connection, tried)
            await delivery_alarms.settle(connection, {row["id"]: row for row in queues}, tried, now)
        moved = [await _end(connection, result, now) if result.end else result for result in results]
        rows = await connection.fetch(
            Q["advance_queues"],
            buckets,
            ids,
            [result.claimed for result in moved],
            [result.next for result in moved],
            [result.delay for result in moved],
        )
    return any(row["waiting"] for row in rows)


async def _record_attempts(connection: asyncpg.Connection, tried: Sequence[tuple[QueueResult, AttemptResult]]) -> None:
    buckets, ids = [result.bucket for result, _ in tried], [result.id for result, _ in tried]
    numbers, times = [one.n for _, one in tried], [one.at for _, one in tried]
    answers, errors = [one.answer_status for _, one in tried], [one.error for _, one in tried]
    await connection.execute(
        Q["record_deliveries"],
        buckets,
        ids,
        numbers,
        [one.status for _, one in tried],
        [one.attempts for _, one in tried],
        times,
        answers,
        errors,
    )
    await connection.execute(
        Q["record_attempts"],
        buckets,
        ids,
        numbers,
        times,
        [round(one.duration / timedelta(milliseconds=1)) for _, one in tried],
        answers,
        errors,
        [one.answer for _, one in tried],
    )


async def _end(connection: asyncpg.Connection, result: QueueResult, now: datetime) -> QueueResult:
    """End a subscription as its sink asked for; returns the result with the end of the queue moved accordingly."""
    assert result.end is not None
    row = await subscriptions.lock_any(connection, result.bucket, result.id)
    if row is None:
        return result
    last = result.tried[-1].n
    await connection.execute(Q["drop_pending"], result.bucket, result.id, last, f"subscription ended: {result.end}")
    outbox = Outbox.of_row(row)
    following = outbox.delivery_count + 1
    if row["ended_at"] is None:
        if result.end is EndReason.ACCESS_TOKEN_EXPIRED:
            outbox.end(result.end, now)
        else:
            outbox.close(result.end, now)
        await save_outboxes(connection, [outbox])
    return msgspec.structs.replace(result, next=following, delay=timedelta(0))


async def defer(
    db: Database,
    buckets: Sequence[int],
    account_id: str,
    origin: str,
    delay: timedelta,
    spread: timedelta,
    *,
    busy: Collection[str],
) -> int:
    """Let the due queues of an origin wait, each longer by chance by up to `spread`; returns how many."""
    return await db.execute(Q["defer_origin"], buckets, account_id, origin, delay, spread, list(busy))


async def release(
    db: Database, buckets: Sequence[int], account_id: str, origin: str, within: timedelta, *, busy: Collection[str]
) -> int:
    """Make the queues of an origin due now that are due within this time anyway; returns how many."""
    return await db.execute(Q["release_origin"], buckets, account_id, origin, within, list(busy))
