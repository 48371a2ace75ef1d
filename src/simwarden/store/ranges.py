"""Number ranges of accounts."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.errors import AlreadyExists
from simwarden.domain.numbering import NumberRange, RangeBook, RangeKind, RangeNotFound, RangeTaken
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Collection

    import asyncpg

    from simwarden.store.database import Database

Q = load("ranges")


class NotWithin(RangeTaken):
    """It is no part of one range of an account above this one."""


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


async def add(db: Database, account_id: str, new: NumberRange, *, within: Collection[str] | None = None) -> HeldRange:
    """Give an account a range; returns it. From a range of an account above it, it is cut out.

    `within`: it must be cut out of a range of one of these accounts. Raises AlreadyExists when a range of the account
    covers it, RangeTaken naming another account that has a part; with `within` NotWithin, which names none.
    """
    async with db.transaction() as connection:
        await connection.execute(Q["lock"])
        above = {row["id"] for row in await connection.fetch(Q["above"], account_id)}
        held = [(row["account_id"], row["account"], _range(row)) for row in await connection.fetch(Q["all"])]
        overlapping = [each for each in held if each[2].overlaps(new)]
        if any(own == account_id and found.covers(new) for own, _, found in overlapping):
            raise AlreadyExists(f"The account has a range already that covers {new}")
        others = [each for each in overlapping if each[0] != account_id]
        source = others[0] if len(others) == 1 and others[0][0] in above and others[0][2].covers(new) else None
        if within is not None and (source is None or source[0] not in within):
            raise NotWithin
        if source is not None:
            owner, _, found = source
            await connection.execute(Q["remove"], owner, found.kind, found.first, found.last)
            for rest in found.without(new):
                await connection.execute(Q["add"], owner, rest.kind, rest.first, rest.last)
        elif others:
            _, name, found = others[0]
            raise RangeTaken(f"{new} overlaps {found}, which the account {name} holds")
        return HeldRange(new, await connection.fetchval(Q["add"], account_id, new.kind, new.first, new.last))


async def remove(db: Database, account_id: str, old: NumberRange) -> None:
    """Take a range away. SIMs that were registered in it stay. Raises RangeNotFound."""
    if not await db.execute(Q["remove"], account_id, old.kind, old.first, old.last):
        raise RangeNotFound(f"The account has no range {old}")


def _range(row: asyncpg.Record) -> NumberRange:
    return NumberRange(RangeKind(row["kind"]), row["first"], row["last"])
