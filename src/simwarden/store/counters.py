"""Counters that elements keep of SIMs: as they were shown last, and what was used each day (UTC)."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.counters import CounterDay, LastReading, Meter, Reading
from simwarden.domain.identifiers import ALL_BUCKETS, bucket_of
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import asyncpg

    from simwarden.domain.sim import Sim
    from simwarden.store.database import Database

Q = load("counters")
SHOWN_AT_MOST = 20
"""Elements of which the last reading of a SIM is given."""


class KnownCounters(msgspec.Struct, frozen=True):
    """What is stored of a registered SIM's counters at an element."""

    account_id: str
    at: datetime | None
    """When one of them moved last; None: no reading is stored."""
    reading: Reading | None


async def last(
    connection: asyncpg.Connection, wanted: Sequence[tuple[str, int]]
) -> dict[tuple[str, int], KnownCounters]:
    """What is stored for these pairs of IMSI and element; SIMs that are not registered are missing."""
    buckets = [bucket_of(imsi) for imsi, _ in wanted]
    rows = await connection.fetch(
        Q["last"], buckets, [imsi for imsi, _ in wanted], [element for _, element in wanted], sorted(set(buckets))
    )
    return {
        wanted[row["ord"] - 1]: KnownCounters(row["account_id"], row["at"], _reading(row["readings"])) for row in rows
    }


async def save(
    connection: asyncpg.Connection, shown: Mapping[tuple[str, int], LastReading], days: Sequence[CounterDay]
) -> None:
    """Write what is shown now (by IMSI and element), and add to days what was used.

    Whoever calls this has locked the elements, so nobody else writes the same rows.
    """
    pairs = sorted(shown)
    buckets = [bucket_of(imsi) for imsi, _ in pairs]
    readings = [shown[pair] for pair in pairs]
    await connection.execute(
        Q["save_last"],
        buckets,
        [imsi for imsi, _ in pairs],
        [element for _, element in pairs],
        [each.at for each in readings],
        [each.reading for each in readings],
        sorted(set(buckets)),
    )
    if not days:
        return
    buckets = [bucket_of(each.imsi) for each in days]
    await connection.execute(
        Q["add_days"],
        buckets,
        [each.imsi for each in days],
        [each.day for each in days],
        [each.element_id for each in days],
        [each.account_id for each in days],
        [each.at for each in days],
        *([each.used.get(meter, Decimal(0)) for each in days] for meter in Meter),
        [each.resets for each in days],
        [each.reading for each in days],
        sorted(set(buckets)),
    )


async def forget(connection: asyncpg.Connection, imsis: Sequence[str]) -> None:
    """Nothing of these SIMs is kept."""
    keys = [bucket_of(imsi) for imsi in imsis], list(imsis)
    await connection.execute(Q["forget_last"], *keys)
    await connection.execute(Q["forget_days"], *keys)


async def prune(db: Database, before: date, at_once: int) -> int:
    """Delete days before this one, `at_once` rows a statement and a bucket at a time; returns how many rows.

    What is shown last stays with its SIM: what the next reading is compared with.
    """
    count = 0
    for bucket in ALL_BUCKETS:
        done = at_once
        while done >= at_once:
            done = await db.execute(Q["prune_days"], bucket, before, at_once)
            count += done
    return count


async def of_sim(
    db: Database,
    imsi: str,
    account_id: str,
    first: date,
    last_: date,
    *,
    before: tuple[date, int] | None,
    limit: int,
) -> list[CounterDay]:
    """Days of an account's SIM from the first to the last, the newest first, from behind `before` (day, element) on."""
    rows = await db.fetch(
        Q["of_sim"], bucket_of(imsi), imsi, account_id, first, last_, *(before or (None, None)), limit
    )
    return [_day(row) for row in rows]


async def of_account(
    db: Database,
    account_id: str,
    first: date,
    last_: date,
    *,
    before: tuple[date, int, str, int] | None,
    limit: int,
) -> list[CounterDay]:
    """Days of all SIMs of an account, from behind `before` (day, bucket, IMSI, element) on."""
    rows = await db.fetch(
        Q["of_account"], list(ALL_BUCKETS), account_id, first, last_, *(before or (None, None, None, None)), limit
    )
    return [_day(row) for row in rows]


async def shown_last(db: Database, sim: Sim) -> list[LastReading]:
    """What elements showed last of a SIM, the newest first."""
    rows = await db.fetch(Q["shown_last"], sim.bucket, sim.imsi, SHOWN_AT_MOST)
    return [LastReading(row["element_id"], row["at"].astimezone(UTC), _read(row["readings"])) for row in rows]


def _day(row: asyncpg.Record) -> CounterDay:
    return CounterDay(
        imsi=row["imsi"],
        bucket=row["bucket"],
        day=row["day"],
        element_id=row["element_id"],
        account_id=row["account_id"],
        at=row["at"],
        used={meter: row[meter.name.lower()] for meter in Meter if row[meter.name.lower()]},
        resets=row["resets"],
        reading=_read(row["readings"]),
    )


def _read(stored: object) -> Reading:
    return msgspec.convert(stored, Reading)


def _reading(stored: object) -> Reading | None:
    return None if stored is None else _read(stored)
