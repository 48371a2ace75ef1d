"""SIMs as the network names them: by IMSI, whosever they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.domain.identifiers import ALL_BUCKETS, bucket_of
from simwarden.store.sims import Q, from_row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simwarden.domain.sim import Sim
    from simwarden.store.database import Database


async def of_imsis(db: Database, imsis: Sequence[str]) -> Mapping[str, Sim]:
    """The SIMs of these IMSIs, whosever they are. Unknown ones are missing."""
    rows = await db.fetch(Q["of_imsis"], [bucket_of(imsi) for imsi in imsis], imsis)
    return {row["imsi"]: from_row(row) for row in rows}


async def walk(db: Database, after: tuple[int, str], limit: int) -> list[tuple[int, str]]:
    """Bucket and IMSI of SIMs in the order of their keys, from behind `after`: a page costs what it holds."""
    buckets = [bucket for bucket in ALL_BUCKETS if bucket >= after[0]]  # the index is entered at the first of them
    rows = await db.fetch(Q["walk"], buckets, *after, limit)
    return [(row["bucket"], row["imsi"]) for row in rows]
