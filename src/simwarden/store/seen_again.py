"""SIMs that are seen where they were: what is written of that, where nothing is decided by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.domain.errors import TryAgain
from simwarden.domain.identifiers import bucket_of
from simwarden.store.columns import lines, numbers
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import asyncpg

Q = load("seen_again")


async def hold(connection: asyncpg.Connection, known: Mapping[str, tuple[datetime, int]]) -> None:
    """Lock SIMs, by IMSI, of which nothing is decided by their being seen again where they are: when each was seen
    last, and how many events it has.

    Raises TryAgain when something became of one meanwhile.
    """
    imsis = sorted(known, key=lambda imsi: (bucket_of(imsi), imsi))
    rows = await connection.fetch(
        Q["hold"],
        [bucket_of(imsi) for imsi in imsis],
        lines(imsis),
        [known[imsi][0] for imsi in imsis],
        numbers([known[imsi][1] for imsi in imsis]),
    )
    if len(rows) != len(known):
        raise TryAgain("Something became of a SIM meanwhile")


async def renew(connection: asyncpg.Connection, seen: Mapping[str, tuple[datetime, datetime]]) -> None:
    """SIMs that this transaction holds, by IMSI, were seen as they were: when, and since when that goes on."""
    imsis = sorted(seen)
    await connection.execute(
        Q["renew"],
        [bucket_of(imsi) for imsi in imsis],
        lines(imsis),
        [seen[imsi][0] for imsi in imsis],
        [seen[imsi][1] for imsi in imsis],
    )


async def renew_cells(connection: asyncpg.Connection, seen: Mapping[str, datetime]) -> None:
    """SIMs that this transaction has locked, by IMSI, were in the cells of before at this time."""
    imsis = sorted(seen)
    await connection.execute(
        Q["renew_cells"], [bucket_of(imsi) for imsi in imsis], lines(imsis), [seen[imsi] for imsi in imsis]
    )
