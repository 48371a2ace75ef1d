"""Subscriptions: what customers want to be told, and the growth of their lanes of deliveries."""

from __future__ import annotations

import enum
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from simwarden.domain.identifiers import BUCKETS
from simwarden.store.queries import load
from simwarden.store.targets import Target

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import asyncpg

    from simwarden.store.database import Database

Q = load("subscriptions")
ALL_BUCKETS = list(range(BUCKETS))
SLOTS = 16
"""Rows in which the active subscriptions of an application are counted."""


_LATEST = datetime(9999, 1, 1, tzinfo=UTC)


class Status(enum.StrEnum):
    """Where a subscription stands (CAMARA)."""

    ACTIVE = "ACTIVE"
    EXPIRED = "EXPIRED"
    """Ended by time, by its number of events, by its token, or by its sink."""
    DELETED = "DELETED"
    """Ended by its client, who does not see it any more."""


class EndReason(enum.StrEnum):
    """Why a subscription ended (CAMARA terminationReason)."""

    MAX_EVENTS_REACHED = "MAX_EVENTS_REACHED"
    NETWORK_TERMINATED = "NETWORK_TERMINATED"
    SUBSCRIPTION_EXPIRED = "SUBSCRIPTION_EXPIRED"
    ACCESS_TOKEN_EXPIRED = "ACCESS_TOKEN_EXPIRED"  # noqa: S105 - a reason, not a token
    SUBSCRIPTION_DELETED = "SUBSCRIPTION_DELETED"


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """A customer's wish for events. Carries no secrets."""

    id: str
    bucket: int
    imsi: str
    account_id: str
    app_key: str
    api: str
    topic: str
    """The domain event type it waits for."""
    type: str
    """The CloudEvents type it is told."""
    protocol: str
    sink: str
    """Masked, and so are its settings, while `sealed_target` is there (store/targets.py opens it)."""
    protocol_settings: dict[str, Any] | None
    device: dict[str, Any] | None
    """The device as the client named it."""
    config: dict[str, Any]
    status: str
    starts_at: datetime
    expires_at: datetime | None
    max_events: int | None
    event_count: int
    created_at: datetime
    ended_at: datetime | None
    ended_reason: str | None
    sealed_target: bytes | None = None
    paused_at: datetime | None = None
    """Since when the operator lets nothing be sent."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One event on its way to one sink, as it is written."""

    n: int
    event: int | None
    """The SIM's event; None for the life of the subscription itself, and for an initial event."""
    event_id: str
    type: str
    time: datetime
    data: dict[str, Any]
    correlator: str | None = None
    ends: bool = False


class Lane(msgspec.Struct, kw_only=True):
    """A subscription, locked, and what is to be added to the end of its lane. `grow` writes it."""

    bucket: int
    id: str
    imsi: str
    topic: str
    type: str
    device: dict[str, Any] | None
    delivery_count: int
    event_count: int
    max_events: int | None
    expires_at: datetime | None
    ends_at: datetime | None
    """The earliest time at which it ends by itself."""
    told_event: int = 0
    """The SIM's last event that it was told, or that was committed before it was made."""
    status: str = Status.ACTIVE
    ended_at: datetime | None = None
    ended_reason: str | None = None
    added: list[Delivery] = []

    def start(self, now: datetime) -> None:
        """Say that the subscription exists (CAMARA subscription-started)."""
        self._add(self._life("subscription-started"), now, {"initiationReason": "SUBSCRIPTION_CREATED"})

    def tell(self, data: dict[str, Any], at: datetime, *, event: int | None, correlator: str | None = None) -> None:
        """Add an event of the SIM. An ended subscription is told nothing, and none is told an event twice.

        Ends the subscription before the event when its time is over, after it when it was the last one wanted.
        """
        if event is not None:
            if event <= self.told_event:
                return
            self.told_event = event
        if self.ended_at is None and self.ends_at is not None and self.ends_at <= at:
            self.end(self.due_reason(), at)
        if self.ended_at is not None:
            return
        if self.device is not None:
            data = {**data, "device": self.device}
        self._add(self.type, at, data, event=event, correlator=correlator)
        self.event_count += 1
        if self.max_events is not None and self.event_count >= self.max_events:
            self.end(EndReason.MAX_EVENTS_REACHED, at)

    def end(self, reason: EndReason, now: datetime) -> None:
        """End the subscription, and say so (CAMARA subscription-ended)."""
        self.close(reason, now)
        self._add(self._life("subscription-ended"), now, {"terminationReason": str(reason)}, ends=True)

    def close(self, reason: EndReason, now: datetime) -> None:
        """End the subscription without a word."""
        self.status = Status.DELETED if reason is EndReason.SUBSCRIPTION_DELETED else Status.EXPIRED
        self.ended_at, self.ended_reason = now, reason

    def test(self, kind: str, now: datetime) -> None:
        """Add a test event of this CloudEvents type; it counts towards nothing."""
        self._add(kind, now, {"message": "A test event, sent by the operator"})

    def due_reason(self) -> EndReason:
        """Which of its two limits in time comes first."""
        by_time = self.expires_at is not None and self.expires_at == self.ends_at
        return EndReason.SUBSCRIPTION_EXPIRED if by_time else EndReason.ACCESS_TOKEN_EXPIRED

    def _life(self, name: str) -> str:
        return f"{self.type.rpartition('.')[0]}.{name}"

    def _add(
        self,
        type: str,  # noqa: A002 - the attribute's name in CloudEvents
        time: datetime,
        data: dict[str, Any],
        *,
        event: int | None = None,
        correlator: str | None = None,
        ends: bool = False,
    ) -> None:
        self.delivery_count += 1
        n = self.delivery_count
        self.added.append(
            Delivery(
                n=n,
                event=event,
                event_id=f"{self.id}-{n}",
                type=type,
                time=time,
                data=data,
                correlator=correlator,
                ends=ends,
            )
        )


_COLUMNS = Subscription.__struct_fields__
_LANE = tuple(name for name in Lane.__struct_fields__ if name not in {"added", "status", "ended_at", "ended_reason"})


def _subscription(row: asyncpg.Record) -> Subscription:
    return Subscription(**{name: row[name] for name in _COLUMNS})


def lane(row: asyncpg.Record) -> Lane:
    """A locked row as a lane that nothing was added to."""
    return Lane(**{name: row[name] for name in _LANE}, added=[])


async def insert(
    connection: asyncpg.Connection,
    subscription: Subscription,
    *,
    origin: str,
    credential: bytes | None,
    credential_expires_at: datetime | None,
    signing_secrets: bytes,
    ends_at: datetime | None,
    told_event: int = 0,
    inbox: str | None = None,
    sealed_target: bytes | None = None,
) -> Lane:
    """Write and count a new subscription; returns its empty lane. Secrets come sealed.

    `told_event`: the SIM's last event before it. `inbox`: the one that its sink is. With `sealed_target` sink and
    settings are stored masked.
    """
    s = subscription
    target = Target(s.sink, s.protocol_settings)
    if sealed_target is not None:
        target = target.masked()
    await connection.execute(
        Q["insert"],
        s.bucket,
        s.id,
        s.imsi,
        s.account_id,
        s.app_key,
        s.api,
        s.topic,
        s.type,
        s.protocol,
        target.sink,
        origin,
        target.protocol_settings,
        s.device,
        s.config,
        credential,
        credential_expires_at,
        signing_secrets,
        s.status,
        s.starts_at,
        s.expires_at,
        ends_at,
        s.max_events,
        s.created_at,
        inbox,
        told_event,
        sealed_target,
    )
    await tally(connection, {(s.account_id, s.app_key, s.bucket % SLOTS): 1})
    return Lane(
        bucket=s.bucket,
        id=s.id,
        imsi=s.imsi,
        topic=s.topic,
        type=s.type,
        device=s.device,
        delivery_count=0,
        event_count=0,
        max_events=s.max_events,
        expires_at=s.expires_at,
        ends_at=ends_at,
        told_event=told_event,
        added=[],
    )


async def tally(connection: asyncpg.Connection, more: Mapping[tuple[str, str, int], int]) -> None:
    """Count active subscriptions by account, application and slot (bucket modulo `SLOTS`)."""
    keys = sorted(more)  # in one order, so that two who do this do not wait for each other
    columns = ([key[place] for key in keys] for place in range(3))
    await connection.execute(Q["tally"], *columns, [more[key] for key in keys])


class Active(msgspec.Struct, frozen=True):
    """How many subscriptions are active."""

    app_and_sim: int
    """Of the application, to the SIM."""
    sim: int
    """Of the account, to the SIM."""
    app: int
    account: int


async def lock_making(connection: asyncpg.Connection, account_id: str, imsi: str, *, alone: bool) -> None:
    """Let nobody else of the account subscribe to this SIM until the transaction ends; with `alone`, to none."""
    await connection.execute(Q["lock_making_alone" if alone else "lock_making"], account_id, imsi)


async def active(connection: asyncpg.Connection, bucket: int, imsi: str, account_id: str, app_key: str) -> Active:
    """How many subscriptions are active: exact for what `lock_making` has locked."""
    row = await connection.fetchrow(Q["active"], bucket, imsi, account_id, app_key)
    assert row is not None
    return Active(**dict(row))


async def find(db: Database, app_key: str, bucket: int, id: str) -> Subscription | None:  # noqa: A002
    """The client's subscription of this id, unless it deleted it."""
    row = await db.fetchrow(Q["find"], bucket, id, app_key)
    return None if row is None else _subscription(row)


Place = tuple[bool, datetime, str]
"""Where a page begins: behind the subscription that has ended or not, was made then, and has this id."""


async def list_of(
    db: Database, app_key: str, api: str, *, imsi: str | None, after: Place | None, limit: int
) -> list[Subscription]:
    """A client's subscriptions of one API: live ones first, then the newest; at most `limit`, those behind `after`.

    One that ends while its client goes through the pages may come twice, and none is left out.
    """
    found: list[Subscription] = []
    ended, at, id_ = after or (False, _LATEST, "")
    while True:
        rows = await db.fetch(Q["list_of"], ALL_BUCKETS, app_key, api, ended, at, id_, imsi, limit - len(found))
        found += [_subscription(row) for row in rows]
        if ended or len(found) == limit:
            return found
        ended, at, id_ = True, _LATEST, ""


async def page(db: Database, *, account_id: str | None, ended: bool, limit: int) -> list[Subscription]:
    """For the operator: the newest subscriptions, of one account or of all, those that ended only when asked for."""
    rows = await db.fetch(Q["page"], ALL_BUCKETS, account_id, ended, limit)
    return [_subscription(row) for row in rows]


async def lock_seen(connection: asyncpg.Connection, bucket: int, imsi: str, account_id: str) -> asyncpg.Record | None:
    """Hold the SIM still until the end of the transaction; `imei` is the device it is in now, None when unknown."""
    return await connection.fetchrow(Q["lock_seen"], bucket, imsi, account_id)


async def lock_listening(
    connection: asyncpg.Connection, sims: Sequence[tuple[int, str]], topics: Sequence[str]
) -> list[Lane]:
    """Lock the live subscriptions of these SIMs (bucket, IMSI) to these event types, in order of bucket and id."""
    buckets = [bucket for bucket, _ in sims]
    return [
        lane(row) for row in await connection.fetch(Q["lock_listening"], buckets, [imsi for _, imsi in sims], topics)
    ]


async def lock_living(connection: asyncpg.Connection, sims: Sequence[tuple[int, str]]) -> list[Lane]:
    """Lock all live subscriptions of these SIMs (bucket, IMSI), in order of bucket and id."""
    rows = await connection.fetch(Q["lock_living"], [bucket for bucket, _ in sims], [imsi for _, imsi in sims])
    return [lane(row) for row in rows]


async def lock_one(connection: asyncpg.Connection, app_key: str, bucket: int, id: str) -> asyncpg.Record | None:  # noqa: A002
    """Lock a client's subscription unless it deleted it. `lane` makes a Lane of the row."""
    return await connection.fetchrow(Q["lock_one"], bucket, id, app_key)


async def lock_any(connection: asyncpg.Connection, bucket: int, id: str) -> asyncpg.Record | None:  # noqa: A002
    """Lock a subscription, whoever owns it. `lane` makes a Lane of the row."""
    return await connection.fetchrow(Q["lock_any"], bucket, id)


async def lock_ending(connection: asyncpg.Connection, buckets: Sequence[int], limit: int) -> list[Lane]:
    """Lock up to `limit` live subscriptions of these buckets whose time is over."""
    return [lane(row) for row in await connection.fetch(Q["lock_ending"], buckets, limit)]


async def grow(connection: asyncpg.Connection, lanes: Iterable[Lane]) -> int:
    """Write what was added to locked lanes; returns the number of deliveries. Wakes the notifiers at the commit."""
    grown = list(lanes)
    if not grown:
        return 0
    ended = [one for one in grown if one.ended_at is not None]
    if ended:
        await connection.execute(Q["uncount"], [one.bucket for one in ended], [one.id for one in ended])
    rows = [
        (one.bucket, one.id, d.n, one.imsi, d.event, d.event_id, d.type, d.time, d.data, d.correlator, d.ends)
        for one in grown
        for d in one.added
    ]
    if rows:
        await connection.execute(Q["add_deliveries"], *map(list, zip(*rows, strict=True)))
    ends = [
        (
            one.bucket,
            one.id,
            one.delivery_count,
            one.event_count,
            str(one.status),
            one.ended_at,
            one.ended_reason,
            bool(one.added),
            one.told_event,
        )
        for one in grown
    ]
    await connection.execute(Q["grow"], *map(list, zip(*ends, strict=True)))
    if rows:
        await connection.execute(Q["wake"])
    return len(rows)


async def save_secrets(connection: asyncpg.Connection, bucket: int, id: str, sealed: bytes) -> None:  # noqa: A002
    """Replace the sealed signing secrets of a locked subscription."""
    await connection.execute(Q["save_secrets"], bucket, id, sealed)


async def prune(db: Database, buckets: Sequence[int], before: datetime) -> int:
    """Forget subscriptions that ended before this time and have nothing left to deliver."""
    return await db.execute(Q["prune"], buckets, before)
