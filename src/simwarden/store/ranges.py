"""Number ranges of accounts."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.errors import AlreadyExists
from simwarden.domain.numbering import NumberRange, RangeBook, RangeKind, RangeNotFound, RangeTaken
from simwarden.store.queries import load

if TYPE_CHECKING:
    import asyncpg

    from simwarden.store.database import Database

Q = load("ranges")


class HeldRange(msgspec.Struct, frozen=True):
    """A range of an account."""

    range: NumberRange
    created_at: datetime


async def of_account(db: Database, account_id: str) -> list[HeldRange]:
    """The ranges of an account, in the order of their kinds and numbers."""
    return [HeldRange(_range(row), row["created_at"]) for row in await db.fetch(Q["of_account"], account_id)]


async def book(db: Database | asyncpg.Connection) -> RangeBook:
    """The ranges of all accounts."""
    return RangeBook([(row["account_id"], _range(row)) for row in await db.fetch(Q["all"])])


async def own(db: Database, account_id: str) -> RangeBook:
    """The ranges of one account, as they are now."""
    return RangeBook([(account_id, _range(row)) for row in await db.fetch(Q["of_account"], account_id)])


async def keep(connection: asyncpg.Connection, account_id: str) -> RangeBook:
    """The ranges of one account, none of which is taken away before the transaction of `connection` ends."""
    return RangeBook([(account_id, _range(row)) for row in await connection.fetch(Q["keep"], account_id)])


async def add(db: Database, account_id: str, new: NumberRange) -> HeldRange:
    """Give an account a range; returns it.

    Raises AlreadyExists when a range of the account covers it, RangeTaken naming another account that has a part.
    """
    async with db.transaction() as connection:
        await connection.execute(Q["lock"])
        for row in await connection.fetch(Q["all"]):
            held = _range(row)
            if not held.overlaps(new):
                continue
            if row["account_id"] != account_id:
                raise RangeTaken(f"{new} overlaps {held}, which the account {row['account']} holds")
            if held.covers(new):
                raise AlreadyExists(f"The account has {held} already, which covers {new}")
        return HeldRange(new, await connection.fetchval(Q["add"], account_id, new.kind, new.first, new.last))


async def remove(db: Database, account_id: str, old: NumberRange) -> None:
    """Take a range away. SIMs that were registered in it stay. Raises RangeNotFound."""
    if not await db.execute(Q["remove"], account_id, old.kind, old.first, old.last):
        raise RangeNotFound(f"The account has no range {old}")


def _range(row: asyncpg.Record) -> NumberRange:
    return NumberRange(RangeKind(row["kind"]), row["first"], row["last"])
