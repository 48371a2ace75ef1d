"""Answers to calls that carried an Idempotency-Key, kept for a day."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.identifiers import ALL_BUCKETS
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import asyncpg

    from simwarden.store.database import Database

Q = load("idempotency")


class CallKey(msgspec.Struct, frozen=True, order=True):
    """An application's name for one call of its own."""

    app_key: str
    key: str

    @property
    def bucket(self) -> int:
        """Where its answer lives: of application and key, whatever SIM the call is about."""
        return zlib.crc32(f"{self.app_key} {self.key}".encode()) & 0xFF


class Row(msgspec.Struct, frozen=True):
    """A kept answer as it is stored."""

    digest: bytes
    """Of what was asked."""
    status: int
    body: bytes
    secret: bytes | None
    """The body and headers of an answer that holds a secret, sealed; `body` is empty then."""


async def find(db: Database, keys: Sequence[CallKey], since: datetime) -> Mapping[CallKey, Row]:
    """The answers kept under these keys that are not older than `since`."""
    rows = await db.fetch(Q["find"], *_columns(keys), since)
    return _found(rows)


async def claim(
    connection: asyncpg.Connection, wanted: Mapping[CallKey, bytes], now: datetime, since: datetime
) -> dict[CallKey, Row]:
    """Take these keys (with the digests of what is asked) for calls of this transaction, each key once.

    Waits for every transaction that has one of them. Returns those that are taken already, with their answers; the
    others are this transaction's, and it has to `answer` them.
    """
    keys = sorted(wanted)
    rows = await connection.fetch(Q["claim"], *_columns(keys), [wanted[key] for key in keys], now, since)
    mine = {CallKey(row["app_key"], row["key"]) for row in rows}
    others = [key for key in keys if key not in mine]
    return _found(await connection.fetch(Q["find"], *_columns(others), since)) if others else {}


async def answer(connection: asyncpg.Connection, answers: Mapping[CallKey, Row]) -> None:
    """Keep the answers to calls whose keys this transaction has claimed."""
    keys = sorted(answers)
    rows = [answers[key] for key in keys]
    await connection.execute(
        Q["answer"],
        *_columns(keys),
        [row.status for row in rows],
        [row.body for row in rows],
        [row.secret for row in rows],
    )


async def prune(db: Database, before: datetime, limit: int) -> int:
    """Forget up to `limit` answers that are older than this; returns how many."""
    return await db.execute(Q["prune"], ALL_BUCKETS, before, limit)


def _columns(keys: Sequence[CallKey]) -> tuple[list[int], list[str], list[str]]:
    return [key.bucket for key in keys], [key.app_key for key in keys], [key.key for key in keys]


def _found(rows: Sequence[asyncpg.Record]) -> dict[CallKey, Row]:
    return {
        CallKey(row["app_key"], row["key"]): Row(row["digest"], row["status"], row["body"], row["secret"])
        for row in rows
    }
