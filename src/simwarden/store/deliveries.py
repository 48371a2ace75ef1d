"""Lanes of deliveries: claiming what is due, recording what came of it, and looking after the rest."""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from simwarden.domain.alarm import AlarmKind, Trouble
from simwarden.domain.errors import ResourceNotFound
from simwarden.kit.clock import now_utc
from simwarden.store import alarms, fanout, subscriptions
from simwarden.store.queries import load
from simwarden.store.subscriptions import ALL_BUCKETS, EndReason

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import asyncpg

    from simwarden.store.database import Database

Q = load("deliveries")
MOST_OF_ACCOUNT = 20
"""Alarms about events that were given up that may be open for one account."""
END_BATCH = 500
"""Subscriptions that are ended in one transaction."""
VISITS = 256
"""Origins of one account that one look goes through."""
_EVENT_ID = re.compile(r"([0-9a-f]{34})-([0-9]{1,9})")


class DeliveryNotFound(ResourceNotFound):
    """No delivery has this CloudEvents id."""


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """A pending delivery near the head of its lane."""

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


class DueLane(msgspec.Struct, frozen=True, kw_only=True):
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


_DUE = tuple(name for name in DueLane.__struct_fields__ if name != "heads")


class Claimed(msgspec.Struct, frozen=True):
    """What one look at the lanes found."""

    lanes: list[DueLane]
    after: dict[str, str]
    """By account with more origins than were looked at: the last one of those."""
    next_due: float | None
    """Seconds until a lane of what was looked at becomes due; None when none waits for its time."""


class Tried(msgspec.Struct, frozen=True, kw_only=True):
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


class LaneResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a claimed lane."""

    bucket: int
    id: str
    claimed: int
    """`lane_next` when it was claimed."""
    next: int
    """The first delivery that may still be pending."""
    delay: timedelta
    """How long that one waits."""
    tried: tuple[Tried, ...]
    end: EndReason | None = None
    """The sink ended the subscription: what is pending is dropped."""


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


async def claim(
    db: Database,
    buckets: Sequence[int],
    *,
    busy: Collection[DueLane],
    room: Mapping[str, int],
    others: int,
    accounts: Mapping[str, int],
    newcomers: int,
    after: Mapping[str, str],
    limit: int,
    visits: int = VISITS,
) -> Claimed:
    """Up to `limit` due lanes without those in `busy`, accounts in turn, of each what is longest due; no heads yet.

    Of an origin in `room` so many at most, of any other one `others`; of an account in `accounts` so many at most, of
    any other one `newcomers`. So each origin costs the same, however many of its lanes wait. Of an account no more than
    `visits` origins are looked at, those behind `after`, the one at which the last look stopped.
    """
    held = Counter(lane.origin for lane in busy)
    look = [count + held[origin] if count else 0 for origin, count in room.items()]
    rows = await db.fetch(
        Q["due_lanes"],
        buckets,
        [lane.id for lane in busy],
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
    lanes = [DueLane(**{name: row[name] for name in _DUE}) for row in rows if row["id"] is not None]
    looked = [row for row in rows if row["id"] is None]
    stopped = {row["account_id"]: row["origin"] for row in looked}
    kept = {
        account: origin for account, origin in after.items() if account not in stopped and accounts.get(account) == 0
    }
    due = [row["next_due"] for row in looked if row["next_due"] is not None]
    return Claimed(
        lanes, kept | {account: origin for account, origin in stopped.items() if origin}, min(due, default=None)
    )


async def heads(db: Database, lanes: Sequence[DueLane], limit: int) -> list[DueLane]:
    """The same lanes, each with up to `limit` pending deliveries in order."""
    if not lanes:
        return []
    rows = await db.fetch(
        Q["heads"],
        [lane.bucket for lane in lanes],
        [lane.id for lane in lanes],
        [lane.lane_next for lane in lanes],
        limit,
    )
    found: list[list[Head]] = [[] for _ in lanes]
    for row in rows:
        found[row["ord"] - 1].append(Head(**{name: row[name] for name in Head.__struct_fields__}))
    return [msgspec.structs.replace(lane, heads=tuple(items)) for lane, items in zip(lanes, found, strict=True)]


async def record(db: Database, results: Sequence[LaneResult], now: datetime) -> bool:
    """Write what came of claimed lanes, all or nothing; returns whether any of them has more to deliver."""
    buckets, ids = [result.bucket for result in results], [result.id for result in results]
    tried = [(result, one) for result in results for one in result.tried]
    async with db.transaction() as connection:
        lanes = await connection.fetch(Q["lock_lanes"], buckets, ids)
        if tried:
            await _record_tried(connection, tried)
            await _alarms(connection, {row["id"]: row for row in lanes}, tried, now)
        moved = [await _end(connection, result, now) if result.end else result for result in results]
        rows = await connection.fetch(
            Q["advance_lanes"],
            buckets,
            ids,
            [result.claimed for result in moved],
            [result.next for result in moved],
            [result.delay for result in moved],
        )
    return any(row["waiting"] for row in rows)


async def _record_tried(connection: asyncpg.Connection, tried: Sequence[tuple[LaneResult, Tried]]) -> None:
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


async def _alarms(
    connection: asyncpg.Connection,
    lanes: Mapping[str, asyncpg.Record],
    tried: Sequence[tuple[LaneResult, Tried]],
    now: datetime,
) -> None:
    """What was given up is an alarm: of the host if it did not answer, else of the subscription. Success ends both."""
    troubles, over = [], []
    for result, one in tried:
        lane = lanes.get(result.id)
        if lane is None:
            continue
        if one.status == "DEAD":
            reason = one.error or f"HTTP {one.answer_status}"
            troubles.append(_given_up(lane, reason, answered=one.answer_status is not None))
        elif one.status == "DELIVERED":
            over += [(AlarmKind.DELIVERIES_DEAD, result.id), (AlarmKind.DELIVERIES_DEAD, lane["origin"])]
    await alarms.clear_all(connection, over, now, "The sink takes events again")
    await _raise_given_up(connection, troubles, now)


async def _raise_given_up(connection: asyncpg.Connection, troubles: Sequence[Trouble], now: datetime) -> None:
    """Raise the alarms, beyond MOST_OF_ACCOUNT one for the account: a customer may have a million subscriptions."""
    accounts = sorted({trouble.account_id for trouble in troubles if trouble.account_id})
    open_now = await alarms.open_subjects(connection, AlarmKind.DELIVERIES_DEAD, accounts) if accounts else {}
    raised = []
    for trouble in troubles:
        account = trouble.account_id or ""
        known = open_now.setdefault(account, set())
        if trouble.subject not in known and len(known) >= MOST_OF_ACCOUNT:
            facts = {**trouble.facts, "others": MOST_OF_ACCOUNT}
            raised.append(msgspec.structs.replace(trouble, subject=f"account {account}", facts=facts))
        else:
            known.add(trouble.subject)
            raised.append(trouble)
    await alarms.raise_all(connection, raised, now)


def _given_up(lane: asyncpg.Record, reason: str, *, answered: bool, times: int = 1) -> Trouble:
    return Trouble(
        kind=AlarmKind.DELIVERIES_DEAD,
        subject=lane["id"] if answered else lane["origin"],
        account_id=lane["account_id"],
        facts={
            "bucket": lane["bucket"],
            "subscription": lane["id"],
            "host": lane["origin"].partition(" ")[2] or lane["origin"],
            "answered": answered,
            "reason": reason,
        },
        times=times,
    )


async def _end(connection: asyncpg.Connection, result: LaneResult, now: datetime) -> LaneResult:
    """End a subscription as its sink asked for; returns the result with the end of the lane moved accordingly."""
    assert result.end is not None
    row = await subscriptions.lock_any(connection, result.bucket, result.id)
    if row is None:
        return result
    last = result.tried[-1].n
    await connection.execute(Q["drop_pending"], result.bucket, result.id, last, f"subscription ended: {result.end}")
    lane = subscriptions.lane(row)
    following = lane.delivery_count + 1
    if row["ended_at"] is None:
        if result.end is EndReason.ACCESS_TOKEN_EXPIRED:
            lane.end(result.end, now)
        else:
            lane.close(result.end, now)
        await subscriptions.grow(connection, [lane])
    return msgspec.structs.replace(result, next=following, delay=timedelta(0))


async def postpone(
    db: Database,
    buckets: Sequence[int],
    account_id: str,
    origin: str,
    delay: timedelta,
    spread: timedelta,
    *,
    busy: Collection[str],
) -> int:
    """Let the due lanes of an origin wait, each longer by chance by up to `spread`; returns how many."""
    return await db.execute(Q["postpone_origin"], buckets, account_id, origin, delay, spread, list(busy))


async def hasten(
    db: Database, buckets: Sequence[int], account_id: str, origin: str, within: timedelta, *, busy: Collection[str]
) -> int:
    """Make the lanes of an origin due now that are due within this time anyway; returns how many."""
    return await db.execute(Q["hasten_origin"], buckets, account_id, origin, within, list(busy))


async def end_due(db: Database, buckets: Sequence[int], now: datetime, limit: int = END_BATCH) -> int:
    """End up to `limit` subscriptions whose time, or the time of whose token, is over, and say so; returns how many."""
    async with db.transaction() as connection:
        lanes = await subscriptions.lock_ending(connection, buckets, limit)
        await fanout.catch_up(connection, lanes)
        for lane in lanes:
            if lane.ended_at is None:
                lane.end(lane.due_reason(), now)
        await subscriptions.grow(connection, lanes)
    return len(lanes)


async def give_up_old(db: Database, buckets: Sequence[int], before: datetime) -> int:
    """Give up pending deliveries queued before this time, tried or not; returns how many."""
    async with db.transaction() as connection:
        lanes = await connection.fetch(Q["give_up_old"], buckets, before)
        reason = "the sink could not be reached in time"
        troubles = [_given_up(lane, reason, answered=False, times=lane["times"]) for lane in lanes]
        await _raise_given_up(connection, troubles, now_utc())
    return sum(lane["times"] for lane in lanes)


async def pending_lanes(db: Database, buckets: Sequence[int]) -> int:
    """How many lanes have something to deliver."""
    count: int = await db.fetchval(Q["pending_lanes"], buckets)
    return count


async def prune(db: Database, buckets: Sequence[int], *, before: datetime, attempts_before: datetime) -> int:
    """Forget finished deliveries and attempts that are older, and ended subscriptions with nothing left of them."""
    await db.execute(Q["prune_attempts"], buckets, attempts_before)
    count = await db.execute(Q["prune"], buckets, before)
    await subscriptions.prune(db, buckets, before)
    return count


async def list_deliveries(
    db: Database,
    *,
    status: str | None = None,
    subscription_id: str | None = None,
    imsi: str | None = None,
    account_id: str | None = None,
    limit: int = 100,
) -> list[Listed]:
    """Deliveries, newest first, at most `limit`; narrowed by what is given."""
    rows = await db.fetch(Q["list"], ALL_BUCKETS, status, subscription_id, imsi, account_id, limit)
    return [_listed(row) for row in rows]


async def show(db: Database, event_id: str) -> tuple[Listed, list[Attempt]]:
    """One delivery by its CloudEvents id, with its attempts in order. Raises DeliveryNotFound."""
    bucket, subscription_id, n = parse_event_id(event_id)
    row = await db.fetchrow(Q["show"], bucket, subscription_id, n)
    if row is None:
        raise DeliveryNotFound
    attempts = await db.fetch(Q["attempts"], bucket, subscription_id, n)
    return _listed(row), [Attempt(**dict(attempt)) for attempt in attempts]


async def lane_of(db: Database, event_id: str) -> DueLane:
    """The lane of a delivery by its CloudEvents id, with that one as its only head. Raises DeliveryNotFound."""
    bucket, subscription_id, n = parse_event_id(event_id)
    lane = await db.fetchrow(Q["lane_of"], bucket, subscription_id)
    head = await db.fetchrow(Q["head_of"], bucket, subscription_id, n)
    if lane is None or head is None:
        raise DeliveryNotFound
    return DueLane(**dict(lane), heads=(Head(**dict(head)),))


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
        lanes = await connection.fetch(Q["lock_replayable"], buckets, subscription_id, n, since, status)
        if not lanes:
            return 0
        ids = [row["id"] for row in lanes]
        rows = await connection.fetch(Q["replay"], sorted({row["bucket"] for row in lanes}), ids, n, since, status)
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
