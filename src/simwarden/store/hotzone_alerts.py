"""Subscriptions to unusual traffic with hotzones; days of SIMs that are to be looked at for them, or were told."""

from __future__ import annotations

from datetime import date
from itertools import groupby
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from simwarden.domain.daily import TrafficKind
from simwarden.domain.events import Cause
from simwarden.domain.hotzone import DIRECTIONS, HotZones, HotzoneWatch, Side
from simwarden.domain.identifiers import ALL_BUCKETS, bucket_of
from simwarden.domain.outliers import Method
from simwarden.kit.ids import uuid7
from simwarden.store.outbox import Outbox
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    import asyncpg

    from simwarden.domain.daily import DayKey
    from simwarden.store.database import Database

Q = load("hotzone_alerts")
CHANNEL = "simwarden_hotzone"


class WatchedDay(msgspec.Struct, frozen=True):
    """A day of a SIM, to be looked at."""

    imsi: str
    day: date
    batch: UUID
    """The commit that left it."""
    cause: Cause
    """The report that was stored."""


class StoredWatch(msgspec.Struct, frozen=True):
    """What a live subscription waits for."""

    subscription_id: str
    watch: HotzoneWatch
    everyone: bool
    """It is about all SIMs of its account."""


Told = tuple[str, str, date, str]
"""IMSI, subscription, day, and the hotzone as it was asked for; empty: all that were asked for together."""


async def add(
    connection: asyncpg.Connection, bucket: int, id_: str, subject: str, watch: HotzoneWatch, *, everyone: bool
) -> None:
    """Write what a new subscription waits for; `subject`: the SIM by IMSI, or with `everyone` the account."""
    zones, lists = watch.zones, sorted(watch.lists)
    wanted = sorted(zones.countries), sorted(zones.prefixes), lists, sorted(watch.kinds), watch.side
    compared = sorted(DIRECTIONS[watch.side]), watch.method, watch.threshold, watch.since
    if everyone:
        await connection.execute(Q["add_watch_all"], id_, subject, *wanted, *compared)
    else:
        await connection.execute(Q["add_watch"], bucket, id_, subject, *wanted, *compared)


async def note(
    connection: asyncpg.Connection,
    changes: Sequence[tuple[DayKey, int, int]],
    causes: Mapping[str, Cause],
    other: Cause,
    now: datetime,
) -> None:
    """Of counts that have just been added to, leave those days to be looked at that somebody waits for.

    `causes`: the newest report of each SIM, by IMSI; `other`: one of those that named none. Where nobody waits this
    costs a probe of an index.
    """
    keys = [key for key, count, _ in changes if count > 0]
    if not keys or not await connection.fetchval(Q["anybody_waits"], sorted({bucket_of(key.imsi) for key in keys})):
        return
    left = await connection.execute(
        Q["note"],
        [bucket_of(key.imsi) for key in keys],
        [key.imsi for key in keys],
        [key.day for key in keys],
        [key.kind for key in keys],
        [key.direction for key in keys],
        [key.zone for key in keys],
        [key.prefix for key in keys],
        [msgspec.to_builtins(causes.get(key.imsi, other)) for key in keys],
        uuid7(now),
        now,
    )
    if left != "INSERT 0 0":
        await connection.execute(Q["wake"])


async def accounts(db: Database, after: str, most: int) -> list[str]:
    """Accounts of which days wait, at most so many of those behind `after` in the order of their ids."""
    found: list[str] = []
    while len(found) < most:
        following = await db.fetchval(Q["next_account"], ALL_BUCKETS, found[-1] if found else after)
        if following is None:
            break
        found.append(following)
    return found


async def due(db: Database, account_id: str, most: int) -> list[WatchedDay]:
    """Days of an account that wait, at most so many, those that have waited longest."""
    rows = await db.fetch(Q["due"], ALL_BUCKETS, account_id, most)
    return [WatchedDay(row["imsi"], row["day"], row["batch"], msgspec.convert(row["cause"], Cause)) for row in rows]


async def watches(
    db: Database, account_id: str, imsis: Sequence[str]
) -> tuple[list[StoredWatch], dict[str, list[StoredWatch]]]:
    """What is waited for of all SIMs of an account, and of each of these SIMs beside that."""
    every = [_watch(row, everyone=True) for row in await db.fetch(Q["watches_of_account"], account_id)]
    found: dict[str, list[StoredWatch]] = {}
    for row in await db.fetch(Q["watches_of_sims"], [bucket_of(imsi) for imsi in imsis], list(imsis)):
        found.setdefault(row["imsi"], []).append(_watch(row, everyone=False))
    return every, found


def _watch(row: asyncpg.Record, *, everyone: bool) -> StoredWatch:
    watch = HotzoneWatch(
        zones=HotZones(frozenset(row["countries"]), frozenset(row["prefixes"])),
        lists=frozenset(row["lists"]),
        kinds=frozenset(TrafficKind(each) for each in row["kinds"]),
        side=Side(row["side"]),
        method=Method(row["method"]),
        threshold=row["threshold"],
        since=row["since"],
    )
    return StoredWatch(row["subscription_id"], watch, everyone)


async def told(db: Database, days: Collection[tuple[str, date]]) -> set[Told]:
    """Who has been told of these days of SIMs (IMSI, day)."""
    wanted = sorted(days)
    rows = await db.fetch(
        Q["told"], [bucket_of(imsi) for imsi, _ in wanted], [imsi for imsi, _ in wanted], [day for _, day in wanted]
    )
    return {_told(row) for row in rows}


async def tell(connection: asyncpg.Connection, days: Collection[Told]) -> set[Told]:
    """Remember that these are told; returns those that were not before."""
    wanted = sorted(days)
    rows = await connection.fetch(
        Q["tell"],
        [bucket_of(each[0]) for each in wanted],
        *([each[place] for each in wanted] for place in range(4)),
    )
    return {_told(row) for row in rows}


def _told(row: asyncpg.Record) -> Told:
    return row["imsi"], row["subscription_id"], row["day"], row["zone"]


async def done(connection: asyncpg.Connection, days: Sequence[WatchedDay]) -> None:
    """These have been looked at."""
    ordered = sorted(days, key=lambda each: (each.imsi, each.day, each.batch))
    await connection.execute(
        Q["done"],
        [bucket_of(each.imsi) for each in ordered],
        [each.imsi for each in ordered],
        [each.day for each in ordered],
        [each.batch for each in ordered],
    )


async def lock_outboxes(connection: asyncpg.Connection, ids: Collection[str]) -> dict[str, Outbox]:
    """Lock live subscriptions, in one order for everybody; by id."""
    found = {}
    for bucket, alike in groupby(sorted(ids), key=_bucket):
        rows = await connection.fetch(Q["lock_outboxes"], bucket, list(alike))
        found.update({row["id"]: Outbox.of_row(row) for row in rows})
    return found


def _bucket(id_: str) -> int:
    """In which bucket the subscription of this id lives."""
    return int(id_[:2], 16)


async def forget(connection: asyncpg.Connection, imsis: Sequence[str]) -> None:
    """Nothing of these SIMs is kept."""
    keys = [bucket_of(imsi) for imsi in imsis], list(imsis)
    await connection.execute(Q["forget"], *keys)
    await connection.execute(Q["forget_due"], *keys)


async def prune(db: Database, before: date, at_once: int) -> int:
    """Forget who was told of days before this one, and what subscriptions waited for that have ended; returns how many
    rows were deleted."""
    count = 0
    for bucket in ALL_BUCKETS:
        deleted = at_once
        while deleted >= at_once:
            deleted = await db.execute(Q["prune"], bucket, before, at_once)
            count += deleted
    every = {row["subscription_id"] for row in await db.fetch(Q["all_watches"])}
    if every:
        living = await db.fetch(Q["living"], sorted({_bucket(id_) for id_ in every}), list(every))
        gone = every - {row["id"] for row in living}
        count += await db.execute(Q["drop_watches"], sorted(gone)) if gone else 0
    return count
