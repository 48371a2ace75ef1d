"""Lists of messages that were sent from SIMs, with how far each has come."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.errors import ResourceNotFound
from simwarden.domain.identifiers import ALL_BUCKETS
from simwarden.domain.sending import MessageKey, Stage
from simwarden.store import sending
from simwarden.store.queries import load
from simwarden.store.sending import MessageContent

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from simwarden.domain.sim import Sim
    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

Q = load("sent_messages")
_ID = re.compile(r"[0-9a-f]{34}")
Place = tuple[datetime, str, int]
"""Where a page ended: when the message was queued, its id, its receiver's number in the list."""


class SentMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message to one receiver."""

    key: MessageKey
    imsi: str
    account_id: str
    stage: Stage
    reason: str | None
    """Why it failed."""
    content: MessageContent
    gateway_id: int | None
    """The element that was told to send it, or will be."""
    target: str | None
    attempts: int
    queued_at: datetime
    moved_at: datetime
    """When it came to its stage."""

    @property
    def place(self) -> Place:
        """In lists."""
        return self.queued_at, self.key.id, self.key.recipient


async def of_sim(db: Database, vault: Vault, sim: Sim, before: Place | None, limit: int) -> list[SentMessage]:
    """Those of a SIM's account that were sent from it. Raises WrongKey."""
    place = before or (None, None, None)
    rows = await db.fetch(Q["of_sim"], sim.bucket, sim.imsi, sim.account_id, *place, limit)
    return _opened(vault, rows)


async def of_account(
    db: Database, vault: Vault, account_id: str, before: Place | None, limit: int
) -> list[SentMessage]:
    """Those of an account. Raises WrongKey."""
    place = before or (None, None, None)
    return _opened(vault, await db.fetch(Q["of_account"], ALL_BUCKETS, account_id, *place, limit))


async def one(db: Database, vault: Vault, id_: str) -> list[SentMessage]:
    """What became of one order to send, by receiver. Raises ResourceNotFound, WrongKey."""
    rows = await db.fetch(Q["one"], int(id_[:2], 16), id_) if _ID.fullmatch(id_) else []
    if not rows:
        raise ResourceNotFound("No message has this id; they are kept as long as records are")
    return _opened(vault, rows)


def _opened(vault: Vault, rows: Sequence[asyncpg.Record]) -> list[SentMessage]:
    found = []
    for row in rows:
        key = MessageKey(row["bucket"], row["id"], row["recipient"])
        found.append(
            SentMessage(
                key=key,
                imsi=row["imsi"],
                account_id=row["account_id"],
                stage=Stage(row["stage"]),
                reason=row["reason"],
                content=sending.opened(vault, key, row["sealed"]),
                gateway_id=row["gateway_id"],
                target=row["target"],
                attempts=row["attempts"],
                queued_at=row["queued_at"],
                moved_at=row["moved_at"],
            )
        )
    return found
