"""Data that SIMs used, by the hour (UTC) of the report that said so."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.identifiers import ALL_BUCKETS, bucket_of
from simwarden.domain.session import Octets
from simwarden.store.columns import lines, numbers
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import asyncpg

    from simwarden.domain.sim import Sim
    from simwarden.store.database import Database
    from simwarden.store.standing import Reader

Q = load("volumes")


class Share(msgspec.Struct, frozen=True, order=True):
    """What volumes are counted by."""

    bucket: int
    imsi: str
    hour: datetime
    element_id: int
    account_id: str


class HourVolume(msgspec.Struct, frozen=True):
    """What a SIM used in an hour, at all elements."""

    hour: datetime
    octets: Octets
    at: datetime
    """Of the last report that is in it."""


def share_of(imsi: str, at: datetime, element_id: int, account_id: str) -> Share:
    """Where a volume counts that was reported of this time."""
    hour = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return Share(bucket_of(imsi), imsi, hour, element_id, account_id)


async def add(connection: asyncpg.Connection, used: Mapping[Share, tuple[Octets, datetime]]) -> None:
    """Add volumes, each with the time of its last report. The elements are locked by this transaction."""
    shares = sorted(used)
    octets = [used[share][0] for share in shares]
    await connection.execute(
        Q["add"],
        numbers(share.bucket for share in shares),
        lines(share.imsi for share in shares),
        [share.hour for share in shares],
        numbers(share.element_id for share in shares),
        lines(share.account_id for share in shares),
        numbers(each.up for each in octets),
        numbers(each.down for each in octets),
        [used[share][1] for share in shares],
    )


async def of_sim(db: Database, sim: Sim, since: datetime, until: datetime) -> list[HourVolume]:
    """What a SIM used in each hour from `since` to before `until`, both whole hours. Hours without data are missing."""
    rows = await db.fetch(Q["of_sim"], sim.bucket, sim.imsi, sim.account_id, since, until)
    return [HourVolume(row["hour"], Octets(row["up"], row["down"]), row["at"]) for row in rows]


async def total(db: Database, sim: Sim, since: datetime, until: datetime) -> Octets:
    """The same as one sum."""
    row = await db.fetchrow(Q["total"], sim.bucket, sim.imsi, sim.account_id, since, until)
    assert row is not None
    return Octets(row["up"], row["down"])


async def used_since(reader: Reader, sims: Sequence[Sim], since: datetime) -> dict[str, int]:
    """Octets up and down that SIMs used from `since` on, a whole hour, by IMSI; those that used none are missing."""
    rows = await reader.fetch(
        Q["used_since"],
        [sim.bucket for sim in sims],
        [sim.imsi for sim in sims],
        [sim.account_id for sim in sims],
        since,
    )
    return {row["imsi"]: row["octets"] for row in rows}


async def has_any(db: Database, sim: Sim) -> bool:
    """Whether any data of a SIM was ever counted, as far back as volumes are kept."""
    found: bool = await db.fetchval(Q["has_any"], sim.bucket, sim.imsi, sim.account_id)
    return found


async def forget(connection: asyncpg.Connection, imsis: Sequence[str]) -> None:
    """Nothing of these SIMs is kept."""
    await connection.execute(Q["forget"], [bucket_of(imsi) for imsi in imsis], list(imsis))


async def prune(db: Database, before: datetime, at_once: int) -> int:
    """Delete hours before this time, `at_once` rows a statement and a bucket at a time; returns how many rows."""
    count = 0
    for bucket in ALL_BUCKETS:
        done = at_once
        while done >= at_once:
            done = await db.execute(Q["prune"], bucket, before, at_once)
            count += done
    return count
