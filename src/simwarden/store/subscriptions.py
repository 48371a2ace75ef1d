"""Subscriptions: which events customers have asked for. Their deliveries are in `outbox` and `deliveries`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from simwarden.domain.identifiers import ALL_BUCKETS
from simwarden.store.outbox import Outbox, about
from simwarden.store.queries import load
from simwarden.store.targets import SinkAddress

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import asyncpg

    from simwarden.store.database import Database


Q = load("subscriptions")
SLOTS = 16
"""Rows in which the active subscriptions of an application are counted."""
_LATEST = datetime(9999, 1, 1, tzinfo=UTC)


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """A customer's wish for events. Carries no secrets."""

    id: str
    bucket: int
    imsi: str
    """Of the SIM that it is about; the phone number, where it is about that."""
    account_id: str
    app_key: str
    api: str
    topic: str
    """The domain event type it waits for."""
    type: str
    """The CloudEvents type that is sent."""
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


_COLUMNS = Subscription.__struct_fields__


def _subscription(row: asyncpg.Record) -> Subscription:
    return Subscription(**{name: row[name] for name in _COLUMNS})


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
) -> Outbox:
    """Write and count a new subscription; returns its empty queue. Secrets come sealed.

    `told_event`: the SIM's last event before it. `inbox`: the one that its sink is. With `sealed_target` sink and
    settings are stored masked.
    """
    s = subscription
    target = SinkAddress(s.sink, s.protocol_settings)
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
    return Outbox(
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
        about=about(s.config),
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
) -> list[Outbox]:
    """Lock the live subscriptions of these SIMs (bucket, IMSI) to these event types, in order of bucket and id."""
    buckets = [bucket for bucket, _ in sims]
    return [
        Outbox.of_row(row)
        for row in await connection.fetch(Q["lock_listening"], buckets, [imsi for _, imsi in sims], topics)
    ]


async def lock_living(connection: asyncpg.Connection, sims: Sequence[tuple[int, str]]) -> list[Outbox]:
    """Lock all live subscriptions of these SIMs (bucket, IMSI), in order of bucket and id."""
    rows = await connection.fetch(Q["lock_living"], [bucket for bucket, _ in sims], [imsi for _, imsi in sims])
    return [Outbox.of_row(row) for row in rows]


async def lock_one(connection: asyncpg.Connection, app_key: str, bucket: int, id: str) -> asyncpg.Record | None:  # noqa: A002
    """Lock a client's subscription unless it deleted it. `queue` makes a Queue of the row."""
    return await connection.fetchrow(Q["lock_one"], bucket, id, app_key)


async def lock_any(connection: asyncpg.Connection, bucket: int, id: str) -> asyncpg.Record | None:  # noqa: A002
    """Lock a subscription, whoever owns it. `queue` makes a Queue of the row."""
    return await connection.fetchrow(Q["lock_any"], bucket, id)


async def lock_ending(connection: asyncpg.Connection, buckets: Sequence[int], limit: int) -> list[Outbox]:
    """Lock up to `limit` live subscriptions of these buckets whose time is over."""
    return [Outbox.of_row(row) for row in await connection.fetch(Q["lock_ending"], buckets, limit)]


async def save_secrets(connection: asyncpg.Connection, bucket: int, id: str, sealed: bytes) -> None:  # noqa: A002
    """Replace the sealed signing secrets of a locked subscription."""
    await connection.execute(Q["save_secrets"], bucket, id, sealed)


async def prune(db: Database, buckets: Sequence[int], before: datetime) -> int:
    """Forget subscriptions that ended before this time and have nothing left to deliver."""
    return await db.execute(Q["prune"], buckets, before)
