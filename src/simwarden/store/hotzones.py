"""Named hotzones of accounts, with their history."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.errors import ResourceNotFound, SimwardenError
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import asyncpg

    from simwarden.store.database import Database

Q = load("hotzones")
MOST_LISTS = 100
"""Of an account."""
MOST_VERSIONS = 100
"""Of a list that are kept, the newest ones."""


class HotzoneListNotFound(ResourceNotFound):
    """The account has no such list of hotzones."""


class TooManyHotzoneLists(SimwardenError):
    """The account has as many lists of hotzones as it may have."""

    status, code = 429, "QUOTA_EXCEEDED"


class HotzoneList(msgspec.Struct, frozen=True):
    """A version of a list."""

    name: str
    version: int
    zones: tuple[str, ...]
    """None: the list was taken away."""
    set_at: datetime


def _list(row: asyncpg.Record) -> HotzoneList:
    return HotzoneList(row["name"], row["version"], tuple(row["zones"]), row["set_at"])


async def of_account(db: Database, account_id: str) -> list[HotzoneList]:
    """The lists that are in force, by name."""
    return [found for row in await db.fetch(Q["newest"], account_id, None) if (found := _list(row)).zones]


async def named(db: Database, account_id: str, names: Collection[str]) -> Mapping[str, Sequence[str]]:
    """What is in the account's lists of these names; those that it has not are missing."""
    rows = await db.fetch(Q["newest"], account_id, list(names))
    return {row["name"]: row["zones"] for row in rows if row["zones"]}


async def history(db: Database, account_id: str, name: str) -> list[HotzoneList]:
    """The versions of a list, oldest first. Raises HotzoneListNotFound."""
    found = [_list(row) for row in await db.fetch(Q["history"], account_id, name)]
    if not found:
        raise HotzoneListNotFound(f"The account has no list of hotzones named {name!r}")
    return found


async def change(db: Database, account_id: str, name: str, zones: Collection[str], now: datetime) -> HotzoneList:
    """Give a list these zones, none to take it away; returns it. The same zones again make no version.

    Raises HotzoneListNotFound (there is none to take away), TooManyHotzoneLists.
    """
    wanted = tuple(sorted(set(zones)))
    async with db.transaction() as connection:
        await connection.execute(Q["lock_account"], account_id)
        known = {row["name"]: _list(row) for row in await connection.fetch(Q["newest"], account_id, None)}
        before = known.get(name)
        if before is not None and before.zones == wanted and wanted:
            return before
        if not wanted and (before is None or not before.zones):
            raise HotzoneListNotFound(f"The account has no list of hotzones named {name!r}")
        if before is None and len(known) >= MOST_LISTS:
            raise TooManyHotzoneLists(f"The account has {MOST_LISTS} lists of hotzones already, removed ones included")
        made = HotzoneList(name, 1 if before is None else before.version + 1, wanted, now)
        await connection.execute(Q["add"], account_id, name, made.version, list(wanted), now)
        await connection.execute(Q["forget"], account_id, name, made.version - MOST_VERSIONS)
    return made
