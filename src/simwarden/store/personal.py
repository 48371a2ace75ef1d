"""What came before it was sealed, and what is older than it is kept: dealt with in small transactions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from simwarden.store import records, targets
from simwarden.store.queries import load
from simwarden.store.targets import SinkAddress

if TYPE_CHECKING:
    import asyncpg

    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

Q = load("personal")
_PRUNED = ("prune_sms", "prune_calls", "prune_rejects")
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


async def seal_some(db: Database, vault: Vault, limit: int) -> int:
    """Seal up to `limit` rows of each kind that lie in clear; returns how many. Any number may do it at once."""
    sealed = 0
    for work in (_seal_sms, _seal_calls, _seal_subscriptions, _seal_rejects):
        async with db.transaction() as connection:
            sealed += await work(connection, vault, limit)
    return sealed


class Pruning:
    """Deletes what is old, a bit at a time."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._reached = dict.fromkeys(_PRUNED, _BEGINNING)
        """Up to where each table is done; what others had locked is left behind, and done in the next round."""

    async def step(self, before: datetime, limit: int) -> int:
        """Delete up to `limit` messages, calls and unreadable bodies each that came before this, the oldest first;
        returns how many. Zero: there is nothing more, but for what somebody else works on."""
        deleted = 0
        for name in _PRUNED:
            [row] = await self._db.fetch(Q[name], before, limit, self._reached[name])
            deleted += row["count"]
            self._reached[name] = row["reached"] if row["count"] == limit else _BEGINNING
        return deleted


async def _seal_sms(connection: asyncpg.Connection, vault: Vault, limit: int) -> int:
    rows = await connection.fetch(Q["plain_sms"], limit)
    if not rows:
        return 0
    old = ([row["bucket"] for row in rows], [row["gateway_id"] for row in rows], [row["key"] for row in rows])
    keys = [records.sms_key(vault, row["key"]) for row in rows]
    sealed = [
        records.seal_sms(vault, row["gateway_id"], key, (row["sender"], row["receiver"], row["content"], row["detail"]))
        for row, key in zip(rows, keys, strict=True)
    ]
    await connection.execute(Q["drop_sms_again"], *old, keys)
    await connection.execute(Q["seal_sms"], *old, keys, sealed)
    return len(rows)


async def _seal_calls(connection: asyncpg.Connection, vault: Vault, limit: int) -> int:
    rows = await connection.fetch(Q["plain_calls"], limit)
    if rows:
        await connection.execute(
            Q["seal_calls"],
            [row["bucket"] for row in rows],
            [row["gateway_id"] for row in rows],
            [row["key"] for row in rows],
            *(
                [records.seal_call(vault, row["gateway_id"], row["key"], name, row[name]) for row in rows]
                for name in ("caller", "callee", "detail")
            ),
        )
    return len(rows)


async def _seal_subscriptions(connection: asyncpg.Connection, vault: Vault, limit: int) -> int:
    rows = await connection.fetch(Q["plain_subscriptions"], limit)
    if rows:
        found = [SinkAddress(row["sink"], row["protocol_settings"]) for row in rows]
        await connection.execute(
            Q["seal_subscriptions"],
            [row["bucket"] for row in rows],
            [row["id"] for row in rows],
            [target.masked().sink for target in found],
            [target.masked().protocol_settings for target in found],
            [targets.seal(vault, row["id"], target) for row, target in zip(rows, found, strict=True)],
        )
    return len(rows)


async def _seal_rejects(connection: asyncpg.Connection, vault: Vault, limit: int) -> int:
    rows = await connection.fetch(Q["plain_rejects"], limit)
    if rows:
        bodies = [vault.seal(row["body"], records.REJECT) for row in rows]
        await connection.execute(Q["seal_rejects"], [row["id"] for row in rows], bodies)
    return len(rows)
