"""Messages that came by SMPP: which is one that came before, and which parts are one message."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

Q = load("smpp")
KEPT = timedelta(days=1)
"""A message that was not answered comes again within this time, or never."""


class StoredPart(msgspec.Struct, frozen=True):
    """One part of a message."""

    part: int
    total: int
    payload: bytes
    received_at: datetime
    done: bool
    """The message was handed on."""


async def sims(db: Database, numbers: Collection[str]) -> Mapping[str, str]:
    """IMSIs by phone number, E.164 with plus sign; unknown numbers are missing."""
    return {row["value"]: row["imsi"] for row in await db.fetch(Q["sims"], sorted(set(numbers)))}


async def numbers(db: Database, element_id: int, digests: Sequence[bytes], session: str, now: datetime) -> list[int]:
    """Which of the messages of its digest each one is, in their order.

    One that came on an earlier connection and was never answered comes again; any other one is new.
    """
    if not digests:
        return []
    newest = {row["digest"]: row for row in await db.fetch(Q["newest"], element_id, list(set(digests)))}
    again = {
        digest
        for digest, row in newest.items()
        if not row["answered"] and row["session"] != session and row["received_at"] > now - KEPT
    }
    last = {digest: row["n"] for digest, row in newest.items()}
    given, new = [], []
    for digest in digests:
        if digest not in again:
            last[digest] = last.get(digest, 0) + 1
            new.append((digest, last[digest]))
        given.append(last[digest])
    if new:
        await db.execute(Q["add"], element_id, [digest for digest, _ in new], [n for _, n in new], session, now)
    return given


async def answered(db: Database, element_id: int, items: Sequence[tuple[bytes, int]]) -> None:
    """Messages (digest, number) were answered: they do not come again."""
    await db.execute(Q["answered"], element_id, [digest for digest, _ in items], [n for _, n in items])


async def add_part(
    db: Database,
    vault: Vault,
    element_id: int,
    digest: bytes,
    part: tuple[int, int, bytes],
    now: datetime,
    within: timedelta,
) -> list[StoredPart]:
    """Store a part (number, total, payload); returns all of its message that there are, in order.

    A reference counts anew when its message was handed on and is older than `within`, or has not this part.
    """
    number_, total, payload = part
    await db.execute(Q["begin_set"], element_id, digest, now - within)
    found = await parts(db, vault, element_id, digest)
    if found and found[0].done and (number_, payload) not in {(each.part, each.payload) for each in found}:
        await db.execute(Q["drop_done"], element_id, digest)
    sealed = vault.seal(payload, _purpose(element_id, digest, number_))
    await db.execute(Q["add_part"], element_id, digest, number_, total, sealed, now)
    return await parts(db, vault, element_id, digest)


async def parts(db: Database, vault: Vault, element_id: int, digest: bytes) -> list[StoredPart]:
    """The parts of a message that there are, in order. Raises WrongKey."""
    return [
        StoredPart(
            row["part"],
            row["total"],
            vault.open(row["sealed"], _purpose(element_id, digest, row["part"])),
            row["received_at"],
            row["done"],
        )
        for row in await db.fetch(Q["parts"], element_id, digest)
    ]


async def overdue(db: Database, element_id: int, before: datetime) -> list[bytes]:
    """Digests of messages of which parts have waited for others since before this."""
    return [row["digest"] for row in await db.fetch(Q["overdue"], element_id, before)]


async def done(db: Database, element_id: int, digest: bytes) -> None:
    """The message of these parts was handed on."""
    await db.execute(Q["done"], element_id, digest)


async def forget(db: Database, now: datetime, kept: timedelta) -> None:
    """Forget what cannot come again, and parts older than `kept` of which nothing was made."""
    await db.execute(Q["forget_messages"], now - KEPT)
    await db.execute(Q["forget_parts"], now - KEPT, now - kept)


def _purpose(element_id: int, digest: bytes, part: int) -> str:
    return f"smpp-part:{element_id}:{digest.hex()}:{part}"
