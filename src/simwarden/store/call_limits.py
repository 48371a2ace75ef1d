"""What may be called how often: the limits, the buckets of tokens, and what workers hold of them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.errors import ResourceNotFound, SimwardenError
from simwarden.domain.rates import Level, Need, RateLimit, draw, holding, until_next
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import asyncpg

    from simwarden.store.database import Database

Q = load("call_limits")
CHANNEL = "simwarden_limit"
"""Is notified with the id of the account whose limits changed."""
TERM = timedelta(seconds=300)
"""What a worker holds is its own for so long; each draw begins the term anew."""
MOST = 1000
"""Limits of an account."""


class TooManyLimits(SimwardenError):
    """The account has as many limits as it may have."""

    status, code = 429, "QUOTA_EXCEEDED"


class LimitNotFound(ResourceNotFound):
    """There is no such limit."""


class CallLimit(msgspec.Struct, frozen=True, kw_only=True):
    """What may be called how often."""

    app_key: str = ""
    """Empty: all applications of the account together."""
    api: str = ""
    """Empty: all."""
    operation: str = ""
    """operationId; empty: all."""
    rate: float | None = None
    burst: int | None = None
    daily: int | None = None
    """Counted calls in a day (UTC);"""
    monthly: int | None = None
    """in a calendar month (UTC)."""

    @property
    def limit(self) -> RateLimit | None:
        """Of the rate."""
        return None if self.rate is None or self.burst is None else RateLimit(self.rate, self.burst)


class Ask(msgspec.Struct, frozen=True):
    """A worker's draw from one bucket."""

    account_id: str
    key: str
    limit: RateLimit
    need: Need


class Drawn(msgspec.Struct, frozen=True):
    """What came of it."""

    got: int
    level: Level
    wait: float
    """Seconds until there is a token again, when nobody draws."""


async def of_application(db: Database, account_id: str, app_key: str) -> list[CallLimit]:
    """The limits that an application's calls have to meet: its own and those of its account."""
    return [_limit(row) for row in await db.fetch(Q["of_application"], account_id, app_key)]


async def of_account(db: Database, account_id: str, app_key: str | None = None) -> list[CallLimit]:
    """An account's limits, those of its applications too; or those of one application ("": of none)."""
    return [_limit(row) for row in await db.fetch(Q["of_account"], account_id, app_key)]


async def change(db: Database, account_id: str, wanted: CallLimit) -> None:
    """Set a limit, replacing the one for the same calls, and tell all workers. Raises TooManyLimits."""
    async with db.transaction() as connection:
        await connection.execute(Q["lock_account"], account_id)
        await connection.execute(Q["set"], account_id, *msgspec.structs.astuple(wanted))
        if len(await connection.fetch(Q["of_account"], account_id, None)) > MOST:
            raise TooManyLimits(f"An account has at most {MOST} limits")
        await connection.execute(Q["tell"], account_id)


async def remove(db: Database, account_id: str, which: CallLimit) -> None:
    """Take a limit away, and tell all workers. Raises LimitNotFound."""
    async with db.transaction() as connection:
        done: str = await connection.execute(Q["remove"], account_id, which.app_key, which.api, which.operation)
        if done == "DELETE 0":
            raise LimitNotFound
        await connection.execute(Q["tell"], account_id)


async def draw_all(db: Database, worker: str, asks: Sequence[Ask], term: timedelta = TERM) -> list[Drawn]:
    """Draw from several buckets, each named once, in one transaction; the answers in the order of the asks.

    `term`: for how long what the worker holds is its own.
    """
    keys = [ask.key for ask in asks]
    async with db.transaction() as connection:
        levels, held = await locked(connection, {ask.key: ask.account_id for ask in asks})
        now = held[0]["now"]
        found = []
        for ask in asks:
            rows = [row for row in held if row["key"] == ask.key and row["worker"] is not None]
            recorded = sum(row["held"] for row in rows)
            others = sum(row["held"] for row in rows if row["worker"] != worker and row["until"] > now)
            level, got = draw(ask.limit, levels.get(ask.key), now, recorded, others, ask.need)
            found.append(Drawn(got, level, until_next(ask.limit, level)))
        await connection.execute(
            Q["fill"], keys, [each.level.tokens for each in found], [each.level.at for each in found]
        )
        kept = {
            ask.key: holding(ask.need, each.got) for ask, each in zip(asks, found, strict=True) if ask.key in levels
        }
        await hold(connection, worker, list(kept), list(kept.values()), held, term)
    return found


async def locked(
    connection: asyncpg.Connection, accounts: dict[str, str]
) -> tuple[dict[str, Level | None], Sequence[asyncpg.Record]]:
    """Lock some keys (to the account of each) until the end of the transaction; their levels, and who holds what of
    them, with the time. Keys of an account that was deleted have no level."""
    keys = sorted(accounts)
    rows = await connection.fetch(Q["lock"], keys)
    if len(rows) < len(keys):
        await connection.execute(Q["prepare"], keys, [accounts[key] for key in keys])
        rows = await connection.fetch(Q["lock"], keys)
    levels = {row["key"]: None if row["at"] is None else Level(row["tokens"], row["at"]) for row in rows}
    return levels, await connection.fetch(Q["held"], keys)


async def hold(
    connection: asyncpg.Connection,
    worker: str,
    keys: Sequence[str],
    kept: Sequence[int],
    before: Sequence[asyncpg.Record],
    term: timedelta = TERM,
) -> None:
    """Write down what a worker holds of some keys from now on. `before`: what `locked` returned."""
    now: datetime = before[0]["now"]
    await connection.execute(Q["hold"], worker, keys, kept, now + term)
    if any(row["until"] is not None and row["until"] <= now for row in before):
        await connection.execute(Q["drop_old"], keys, now)


def keys_of_element(element_id: int) -> tuple[str, str]:
    """The keys of a network element's buckets. Accounts' begin with their ids, which are not empty."""
    return f"/element/{element_id}/reports", f"/element/{element_id}/bytes"


async def forget(connection: asyncpg.Connection, keys: Sequence[str]) -> None:
    """Delete buckets, and what workers hold of them."""
    await connection.execute(Q["forget_holds"], keys)
    await connection.execute(Q["forget"], keys)


async def leave(db: Database, workers: Sequence[str]) -> None:
    """What these workers hold is free: they are dead, or take no more calls."""
    await db.execute(Q["leave"], workers)


def _limit(row: asyncpg.Record) -> CallLimit:
    return CallLimit(**dict(row))
