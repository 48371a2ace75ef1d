"""Whose the SIMs are that records name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from simwarden.store.columns import keys_of
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Collection

    import asyncpg

Q = load("holders")


class Holder(msgspec.Struct, frozen=True, gc=False):
    """What a record's way needs to know of its SIM. It is read once a batch, and not locked."""

    bucket: int
    imsi: str
    account_id: str
    first_event: int
    """Of its life: who had this IMSI before had other ones."""
    limited: bool
    """Its traffic is limited."""
    msisdn: str | None
    nai: str | None


async def of_sims(connection: asyncpg.Connection, imsis: Collection[str]) -> dict[str, Holder]:
    """Those of these SIMs that are registered, by IMSI."""
    if not imsis:
        return {}
    rows = await connection.fetch(Q["of_sims"], *keys_of(list(imsis)))
    return {row["imsi"]: Holder(*row.values()) for row in rows}
