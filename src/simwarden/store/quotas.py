"""What is counted of quotas, and what workers have reserved of them."""

from __future__ import annotations

import datetime as dt
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.errors import ReadOnly
from simwarden.domain.identifiers import ALL_BUCKETS
from simwarden.domain.usage import Quota
from simwarden.store import call_limits
from simwarden.store.queries import load

if TYPE_CHECKING:
    from simwarden.store.database import Database

Q = load("usage")
QUOTA_TERM = timedelta(seconds=10)
"""What a worker reserved is its own for so long, unless it says again that it holds it."""


class Reservation(msgspec.Struct, frozen=True):
    """What a worker wants of a quota."""

    quota: Quota
    today: dt.date
    past: int
    """Counted in the period before today."""
    unwritten: int
    """Calls that this worker has answered and will count,"""
    taken: int
    """and calls that it has under way or reserved."""
    waiting: int
    ahead: int
    part: int
    """Ahead of need at most this part of what is left is reserved."""


class Reserved(msgspec.Struct, frozen=True):
    """What came of it."""

    got: int
    """Calls; less than none when the quota is exceeded by what was reserved before."""
    free: int
    """What nobody has reserved."""
    used_up: bool
    """All calls are made; none is under way that may come to nothing."""


async def counted(db: Database, quota: Quota, first: dt.date, last: dt.date) -> int:
    """Calls that the ledger has on these days, both included."""
    found: int = await db.fetchval(Q["of_days"], ALL_BUCKETS, first, last, quota.account_id, quota.app_key or None)
    return found


async def reserve(db: Database, worker: str, wanted: Reservation) -> Reserved:
    """Reserve some calls, and say again what is held. On a standby nothing is written down."""
    quota, key = wanted.quota, wanted.quota.key
    days = ALL_BUCKETS, wanted.today, wanted.today, quota.account_id, quota.app_key or None
    try:
        async with db.transaction() as connection:
            levels, held = await call_limits.locked(connection, {key: quota.account_id})
            now = held[0]["now"]
            others = sum(row["held"] for row in held if row["worker"] not in (None, worker) and row["until"] > now)
            today: int = await connection.fetchval(Q["of_days"], *days)
            found = divide(wanted, today, others)
            kept = max(0, wanted.unwritten + wanted.taken + found.got)
            if key in levels:
                await call_limits.hold(connection, worker, [key], [kept], held, QUOTA_TERM)
    except ReadOnly:
        return divide(wanted, await counted(db, quota, wanted.today, wanted.today), 0)
    return found


def divide(wanted: Reservation, today: int, others: int) -> Reserved:
    """What a worker gets, when so many calls are counted for today and other workers hold so many."""
    made = wanted.past + today + wanted.unwritten
    free = wanted.quota.most - made - others - wanted.taken
    got = free if free < 0 else min(free, wanted.waiting + min(wanted.ahead, free // wanted.part))
    return Reserved(got, max(0, free - got), made >= wanted.quota.most)
