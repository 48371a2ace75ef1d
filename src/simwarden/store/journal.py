"""Calls that were refused, or all: the newest first. What operators did is in `audit`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simwarden.store.database import Database

Q = load("journal")
NEWEST = 2**63 - 1
"""In front of every row."""


class LoggedRequest(msgspec.Struct, frozen=True):
    """A call of any API that was answered."""

    at: datetime
    correlator: str
    api: str
    operation: str | None
    status: int
    code: str | None
    account_id: str | None
    app_key: str | None
    duration_ms: float


async def add_requests(db: Database, requests: Sequence[LoggedRequest]) -> None:
    """Write some in one statement. Raises StoreUnavailable."""
    await db.execute(Q["add_requests"], *_columns(requests))


async def requests(
    db: Database,
    *,
    before: int = NEWEST,
    correlator: str | None = None,
    account_id: str | None = None,
    app_key: str | None = None,
    api: str | None = None,
    least_status: int | None = None,
    since: datetime | None = None,
    limit: int,
) -> list[tuple[int, LoggedRequest]]:
    """Calls with their numbers."""
    args = (before, correlator, account_id, app_key, api, least_status, since, limit)
    names = LoggedRequest.__struct_fields__
    return [
        (row["id"], LoggedRequest(**{name: row[name] for name in names}))
        for row in await db.fetch(Q["requests"], *args)
    ]


async def prune(db: Database, before: datetime, limit: int) -> int:
    """Delete old rows, at most `limit`; returns how many that were."""
    return await db.execute(Q["prune_requests"], before, limit)


def _columns(rows: Sequence[LoggedRequest]) -> list[list[Any]]:
    return [list(column) for column in zip(*(msgspec.structs.astuple(row) for row in rows), strict=True)]
