"""Operators' keys: their roles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.errors import ApplicationNotFound
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simwarden.store.database import Database

Q = load("operators")


class Grant(msgspec.Struct, frozen=True):
    """What an operator's key may do."""

    name: str
    role: str
    manages: str | None
    """Id of the account that it and whose sub-accounts it is for; None: all."""


async def grants(db: Database, app_keys: Sequence[str]) -> dict[str, Grant]:
    """Of operators' keys, by APPKEY; revoked ones too."""
    rows = await db.fetch(Q["grants"], list(app_keys))
    return {row["app_key"]: Grant(row["name"], row["role"], row["manages"]) for row in rows}


async def change_key(db: Database, app_key: str, role: str) -> None:
    """Give a live key another role, notify `simwarden_application`. Raises ApplicationNotFound."""
    if await db.fetchrow(Q["change_key"], app_key, role) is None:
        raise ApplicationNotFound("No operator's key has this APPKEY")
