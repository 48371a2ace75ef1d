"""Views of lists that people have given names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.errors import AlreadyExists, ResourceNotFound
from simwarden.kit.ids import random_name
from simwarden.store.queries import load

if TYPE_CHECKING:
    from simwarden.store.database import Database

Q = load("saved_views")
MOST = 50
"""Of a person."""


class ViewNotFound(ResourceNotFound):
    """This person has no such view."""


class SavedView(msgspec.Struct, frozen=True):
    """The filters and columns of a list."""

    id: str
    list: str
    """Which list: `sims`."""
    name: str
    query: str
    """As it stands in the list's address."""


async def of(db: Database, user_id: str) -> list[SavedView]:
    """A person's views, by name."""
    return [SavedView(**row) for row in await db.fetch(Q["of"], user_id)]


async def save(db: Database, user_id: str, listed: str, name: str, query: str) -> SavedView:
    """Keep a view; one of the same name is replaced. Raises AlreadyExists when the person has MOST of others."""
    async with db.transaction() as connection:
        await connection.fetchval(Q["lock_person"], user_id)
        kept = [SavedView(**row) for row in await connection.fetch(Q["of"], user_id)]
        if len(kept) >= MOST and not any((each.list, each.name) == (listed, name) for each in kept):
            raise AlreadyExists(f"There are {MOST} views already: remove one first")
        row = await connection.fetchrow(Q["save"], f"view_{random_name(12)}", user_id, listed, name, query)
    assert row is not None
    return SavedView(**row)


async def remove(db: Database, user_id: str, view_id: str) -> None:
    """Forget one of the person's views. Raises ViewNotFound."""
    if await db.fetchval(Q["remove"], view_id, user_id) is None:
        raise ViewNotFound("There is no such view")
