"""The usage ledger."""

from __future__ import annotations

import datetime as dt
import zlib
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.identifiers import ALL_BUCKETS, BUCKETS
from simwarden.domain.usage import Usage
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Mapping

    import asyncpg

    from simwarden.store.database import Database

Q = load("usage")
Key = tuple[dt.date, int, Usage]
"""Day (UTC), bucket, and what is counted."""
FIRST = (dt.date(1, 1, 1), "", "", "", "")
"""In front of every row."""


class Used(msgspec.Struct, frozen=True, kw_only=True):
    """How often something was done."""

    day: dt.date | None = None
    """None: in all of the time that was asked for."""
    account_id: str
    app_key: str
    api: str
    operation: str
    count: int

    @property
    def place(self) -> tuple[dt.date, str, str, str, str]:
        """Where a row of a day stands among the others."""
        assert self.day is not None
        return self.day, self.account_id, self.app_key, self.api, self.operation


async def count(connection: asyncpg.Connection, used: Mapping[Key, int]) -> None:
    """Add to the ledger. Rows are taken in one order by everybody: call it as the last thing of a transaction, once.

    A row is shared by all who count the same, so whoever holds it lets the others wait until the commit.
    """
    rows = [(bucket, *msgspec.structs.astuple(usage), day, times) for (day, bucket, usage), times in used.items()]
    await connection.execute(Q["count"], *(list(column) for column in zip(*rows, strict=True)))


def bucket_of_application(app_key: str) -> int:
    """Where what is no SIM's is counted."""
    return zlib.crc32(app_key.encode()) % BUCKETS


async def page(
    db: Database,
    *,
    account_id: str | None = None,
    app_key: str | None = None,
    since: dt.date | None = None,
    until: dt.date | None = None,
    after: tuple[dt.date, str, str, str, str] = FIRST,
    limit: int,
) -> list[Used]:
    """Usage day by day, both days included, from behind the row at `after`."""
    rows = await db.fetch(Q["page"], ALL_BUCKETS, account_id, app_key, since, until, *after, limit)
    return [Used(**dict(row)) for row in rows]


async def totals(
    db: Database,
    *,
    account_id: str | None = None,
    app_key: str | None = None,
    since: dt.date | None = None,
    until: dt.date | None = None,
) -> list[Used]:
    """Usage in all of these days."""
    rows = await db.fetch(Q["totals"], ALL_BUCKETS, account_id, app_key, since, until)
    return [Used(**dict(row)) for row in rows]
