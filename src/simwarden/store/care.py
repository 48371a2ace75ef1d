"""The operator's hand on subscriptions: ending, pausing, testing and handing them over, whosever they are."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from simwarden.domain.errors import IncompatibleState, SubscriptionNotFound
from simwarden.store import fanout, listing, subscriptions
from simwarden.store.outbox import EndReason, Outbox, save_outboxes
from simwarden.store.queries import load
from simwarden.store.subscriptions import SLOTS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import asyncpg

    from simwarden.store.accounts import Application
    from simwarden.store.database import Database
    from simwarden.store.subscriptions import Subscription

Q = load("care")
CHUNK = 500
"""Subscriptions of a revoked application that are ended or handed over in one transaction."""
TEST = "org.simwarden.v1.subscription-test"
"""CloudEvents type of a test event."""
_ID = re.compile(r"[0-9a-f]{34}")


class UnfitSubscription(IncompatibleState):
    """The state of the subscription does not allow this."""


async def end(db: Database, id: str, now: datetime) -> Subscription:  # noqa: A002
    """End a subscription, with subscription-ended to its sink (NETWORK_TERMINATED); one that has ended stays as it is.

    Raises SubscriptionNotFound.
    """
    async with db.transaction() as connection:
        row = await _lock(connection, id)
        if row["ended_at"] is None:
            outbox = Outbox.of_row(row)
            await fanout.catch_up(connection, [outbox])
            if outbox.ended_at is None:
                outbox.end(EndReason.NETWORK_TERMINATED, now)
            await save_outboxes(connection, [outbox])
    return await _show(db, id)


async def pause(db: Database, id: str) -> Subscription:  # noqa: A002
    """Send nothing more of a subscription until `resume`; what comes in waits. Paused before is as well.

    Raises SubscriptionNotFound, UnfitSubscription.
    """
    async with db.transaction() as connection:
        row = await _lock(connection, id)
        if row["ended_at"] is not None:
            raise UnfitSubscription("The subscription has ended")
        await connection.execute(Q["pause"], row["bucket"], id)
        await connection.execute(Q["paused"], id)
    return await _show(db, id)


async def resume(db: Database, id: str) -> Subscription:  # noqa: A002
    """Send what has waited, and go on; one that is not paused stays as it is. Raises SubscriptionNotFound."""
    async with db.transaction() as connection:
        row = await _lock(connection, id)
        await connection.execute(Q["resume"], row["bucket"], id)
        await connection.execute(Q["wake"])
    return await _show(db, id)


async def test(db: Database, id: str, now: datetime) -> str:  # noqa: A002
    """Put a test event into the queue, behind what waits there; returns its CloudEvents id.

    It counts towards nothing. Raises SubscriptionNotFound, UnfitSubscription.
    """
    async with db.transaction() as connection:
        row = await _lock(connection, id)
        if row["ended_at"] is not None:
            raise UnfitSubscription("The subscription has ended")
        if row["paused_at"] is not None:
            raise UnfitSubscription("The subscription is paused: resume it first")
        outbox = Outbox.of_row(row)
        outbox.test(TEST, now)
        await save_outboxes(connection, [outbox])
    return outbox.added[-1].event_id


async def hand_over(db: Database, id: str, to: Application) -> Subscription:  # noqa: A002
    """Let a subscription be another application's of the same account.

    Raises SubscriptionNotFound, UnfitSubscription.
    """
    async with db.transaction() as connection:
        row = await _lock(connection, id)
        if row["account_id"] != to.account_id:
            raise UnfitSubscription("A subscription stays in its account")
        if row["ended_at"] is not None:
            raise UnfitSubscription("The subscription has ended")
        if row["inbox"] is not None:
            raise UnfitSubscription("Its sink is an inbox, which stays the application's that made it")
        await _give(connection, [row], to.app_key)
    return await _show(db, id)


async def release_revoked(db: Database, buckets: Sequence[int], now: datetime) -> int:
    """End the live subscriptions of revoked applications, or hand them over to the successor; returns how many.

    A chunk of each application; call it again until it returns 0.
    """
    count = 0
    for owner in await db.fetch(Q["revoked"], buckets):
        async with db.transaction() as connection:
            rows = await connection.fetch(Q["lock_live"], owner["app_key"], buckets, CHUNK)
            count += len(rows)
            if owner["successor"] is not None:
                await _give(connection, rows, owner["successor"])
                continue
            outboxes = [Outbox.of_row(row) for row in rows]
            await fanout.catch_up(connection, outboxes)
            for outbox in outboxes:
                if outbox.ended_at is None:
                    outbox.end(EndReason.NETWORK_TERMINATED, now)
            await save_outboxes(connection, outboxes)
    return count


async def _give(connection: asyncpg.Connection, rows: Sequence[asyncpg.Record], app_key: str) -> None:
    """Make locked live subscriptions another application's; the limits are not asked."""
    moved: Counter[tuple[str, str, int]] = Counter()
    for row in rows:
        moved[row["account_id"], row["app_key"], row["bucket"] % SLOTS] -= 1
        moved[row["account_id"], app_key, row["bucket"] % SLOTS] += 1
    await connection.execute(Q["hand_over"], [row["bucket"] for row in rows], [row["id"] for row in rows], app_key)
    await subscriptions.tally(connection, {key: count for key, count in moved.items() if count})


async def _lock(connection: asyncpg.Connection, id: str) -> asyncpg.Record:  # noqa: A002
    row = await subscriptions.lock_any(connection, int(id[:2], 16), id) if _ID.fullmatch(id) else None
    if row is None:
        raise SubscriptionNotFound("No subscription has this id")
    return row


async def _show(db: Database, id: str) -> Subscription:  # noqa: A002
    found = await listing.subscription(db, int(id[:2], 16), id)
    if found is None:
        raise SubscriptionNotFound("No subscription has this id")
    return found
