"""What is charged for, by account: calls and services, of days that are over and of the last ones (decision 0048).

Where calls and changes are counted, rows have a bucket, so that those who count do not wait for each other. Rows of
days that are over are moved to tables without buckets: a year of an account is then some thousand rows, however many
calls.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from simwarden.domain.identifiers import ALL_BUCKETS
from simwarden.domain.price import Month, SimService
from simwarden.domain.price_bill import CountedCalls, ServiceUse
from simwarden.domain.service_days import ServiceDay, use_of_month
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import date

    import asyncpg

    from simwarden.domain.service_days import ServiceChange
    from simwarden.store.database import Database

Q = load("ledger")
AT_ONCE = 8
"""Buckets of which rows are moved in a transaction."""


async def count_services(connection: asyncpg.Connection, changes: Sequence[ServiceChange], day: date) -> None:
    """Count SIMs that begin or end with a service, in the transaction in which they do.

    Rows are taken in one order by everybody, and before those of `usage.count`.
    """
    await connection.execute(
        Q["count_services"],
        [each.bucket for each in changes],
        [each.imsi for each in changes],
        [each.account_id for each in changes],
        [str(each.service) for each in changes],
        [1 if each.begins else -1 for each in changes],
        day,
        day.replace(day=1),
        day.replace(month=1, day=1),
    )
    ended = [each for each in changes if not each.begins]
    if ended:
        await connection.execute(
            Q["remember_ends"],
            [each.bucket for each in ended],
            [each.imsi for each in ended],
            [each.account_id for each in ended],
            [str(each.service) for each in ended],
            day,
        )


async def roll_up(db: Database, before: date) -> int:
    """Move what was counted on days before this one; returns how many rows. Each is moved once, whoever else moves."""
    moved = 0
    for first in range(0, len(ALL_BUCKETS), AT_ONCE):
        buckets = ALL_BUCKETS[first : first + AT_ONCE]
        async with db.transaction() as connection:
            calls: Counter[tuple[str, date, str, str, str]] = Counter()
            for row in await connection.fetch(Q["take_usage"], buckets, before):
                *key, count = row.values()
                calls[tuple(key)] += count
                moved += 1
            if calls:
                keys = zip(*calls, strict=True)
                await connection.execute(Q["add_usage_days"], *(list(column) for column in keys), list(calls.values()))
            sums: dict[tuple[str, str, date], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
            for row in await connection.fetch(Q["take_services"], buckets, before):
                account_id, service, day, *counts = row.values()
                sum_ = sums[account_id, service, day]
                sum_[:] = [old + new for old, new in zip(sum_, counts, strict=True)]
                moved += 1
            if sums:
                rows = [(*key, *counts) for key, counts in sums.items()]
                columns = zip(*rows, strict=True)
                await connection.execute(Q["add_service_days"], *(list(column) for column in columns))
    return moved


async def forget_ends(db: Database, before: date) -> int:
    """Delete when SIMs ended with services before this day, the first of a year; returns how many rows."""
    return sum([await db.execute(Q["forget_ends"], bucket, before) for bucket in ALL_BUCKETS])


async def calls_of(
    db: Database, account_ids: Collection[str], first: date, last: date
) -> Mapping[str, list[CountedCalls]]:
    """The calls of accounts from the first to the last day, by operation; an account without calls is missing."""
    found: dict[str, list[CountedCalls]] = {}
    for row in await db.fetch(Q["calls"], ALL_BUCKETS, list(account_ids), first, last):
        found.setdefault(row["account_id"], []).append(CountedCalls(row["api"], row["operation"], row["count"]))
    return found


async def services_of(
    db: Database, account_ids: Collection[str], month: Month, until: date
) -> Mapping[str, Mapping[SimService, ServiceUse]]:
    """The services of accounts in a month, up to the day `until`; an account that never had one is missing."""
    days: dict[tuple[str, SimService], list[ServiceDay]] = {}
    before: Counter[tuple[str, SimService]] = Counter()
    for row in await db.fetch(Q["services"], ALL_BUCKETS, list(account_ids), month.first, min(month.last, until)):
        account_id, service, *rest = row.values()
        day = ServiceDay(*rest)
        if day.day < month.first:
            before[account_id, SimService(service)] += day.change
        else:
            days.setdefault((account_id, SimService(service)), []).append(day)
    found: dict[str, dict[SimService, ServiceUse]] = {}
    for key in {*days, *before}:
        found.setdefault(key[0], {})[key[1]] = use_of_month(month, until, before[key], days.get(key, ()))
    return found
