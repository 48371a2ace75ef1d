"""What operators did, and which calls were refused: two lists, the newest first."""

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


class Act(msgspec.Struct, frozen=True):
    """A call that changed something, or was to."""

    at: datetime
    app_key: str
    """Of the operator's key."""
    key_name: str
    operation: str
    """operationId."""
    target: str
    """What its path names; empty where it names nothing."""
    status: int
    code: str | None
    """Of the error that it was answered with."""
    correlator: str
    detail: dict[str, Any] | None
    """Its body, without what is secret or long."""


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


async def add_acts(db: Database, acts: Sequence[Act]) -> None:
    """Write some in one statement. Raises StoreUnavailable."""
    await db.execute(Q["add_acts"], *_columns(acts))


async def acts(
    db: Database,
    *,
    before: int = NEWEST,
    operator: str | None = None,
    operation: str | None = None,
    targets: Sequence[str] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    correlator: str | None = None,
    limit: int,
) -> list[tuple[int, Act]]:
    """Acts with their numbers. `operator`: APPKEY or name of the key; `targets`: any of these."""
    wanted = None if targets is None else list(targets)
    rows = await db.fetch(Q["acts"], before, operator, operation, wanted, since, until, correlator, limit)
    return [(row["id"], Act(**{name: row[name] for name in Act.__struct_fields__})) for row in rows]


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


async def prune(db: Database, *, acts_before: datetime, requests_before: datetime, limit: int) -> int:
    """Delete old rows, at most `limit` of each list; returns how many that were."""
    deleted = 0
    for query, before in (("prune_acts", acts_before), ("prune_requests", requests_before)):
        deleted += await db.execute(Q[query], before, limit)
    return deleted


def _columns(rows: Sequence[Act] | Sequence[LoggedRequest]) -> list[list[Any]]:
    return [list(column) for column in zip(*(msgspec.structs.astuple(row) for row in rows), strict=True)]
