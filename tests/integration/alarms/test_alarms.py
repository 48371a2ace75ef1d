"""One alarm of a kind and subject: raised, counted, ended, opened again, and never flapping."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from simwarden.domain.alarm import AGAIN, FLAPPING, SETTLED, AlarmKind, Severity, Trouble, of_gateway
from simwarden.domain.alarm_words import words
from simwarden.kit.clock import now_utc
from simwarden.store import alarms
from simwarden.store.alarms import AlarmNotFound

if TYPE_CHECKING:
    from datetime import datetime

    from simwarden.domain.alarm import Alarm
    from simwarden.store.database import Database

SLOW = Trouble(kind=AlarmKind.DATABASE_SLOW, subject="database", facts={"milliseconds": 1500, "limit": 1000})


async def raise_(database: Database, now: datetime, *troubles: Trouble) -> None:
    async with database.transaction() as connection:
        await alarms.raise_all(connection, troubles or [SLOW], now)


async def clear(database: Database, now: datetime, trouble: Trouble = SLOW) -> None:
    async with database.transaction() as connection:
        await alarms.clear_all(connection, [trouble.key], now, "over")


async def all_of(database: Database) -> list[Alarm]:
    return await alarms.page(database, limit=100)


async def test_what_is_found_again_is_counted_in_the_alarm_that_is_open(database: Database) -> None:
    start = now_utc()
    await raise_(database, start)
    await raise_(database, start + timedelta(minutes=1), SLOW, SLOW)
    (found,) = await all_of(database)
    assert (found.count, found.first_at, found.last_at) == (3, start, start + timedelta(minutes=1))
    assert (found.severity, found.version) == (Severity.MINOR, 1), "counting pushes nothing"
    await clear(database, start + timedelta(minutes=2))
    (over,) = await all_of(database)
    assert (over.cleared_at, over.cleared_because, over.version) == (start + timedelta(minutes=2), "over", 2)
    await clear(database, start + timedelta(minutes=3))
    assert await all_of(database) == [over], "what is over ends once"


async def test_many_that_find_the_same_at_once_raise_one(database: Database) -> None:
    await asyncio.gather(*(raise_(database, now_utc()) for _ in range(20)))
    (found,) = await all_of(database)
    assert found.count == 20


async def test_more_severe_is_pushed(database: Database) -> None:
    start = now_utc()
    await raise_(database, start)
    worse = Trouble(kind=SLOW.kind, subject=SLOW.subject, severity=Severity.CRITICAL)
    await raise_(database, start, worse)
    (found,) = await all_of(database)
    assert (found.severity, found.version) == (Severity.CRITICAL, 2)


async def test_what_comes_back_soon_is_the_same_alarm_to_be_acknowledged_anew(database: Database) -> None:
    start = now_utc()
    await raise_(database, start)
    (first,) = await all_of(database)
    await alarms.acknowledge(database, first.id, start, "night shift")
    await clear(database, start + timedelta(minutes=1))
    await raise_(database, start + timedelta(minutes=2))
    (found,) = await all_of(database)
    assert (found.id, found.cleared_at, found.count, found.reopened) == (first.id, None, 2, 1)
    assert found.acknowledged_by is None
    await clear(database, start + timedelta(minutes=3))
    await raise_(database, start + timedelta(minutes=4) + AGAIN)
    assert [each.reopened for each in await all_of(database)] == [0, 1], "much later it is another one"


async def test_what_keeps_coming_back_stays_open_until_it_has_been_over_for_a_while(database: Database) -> None:
    now = now_utc()
    for _ in range(20):
        await raise_(database, now)
        now += timedelta(seconds=10)
        await clear(database, now)
        now += timedelta(seconds=10)
    (found,) = await all_of(database)
    assert found.cleared_at is None
    assert found.reopened == FLAPPING
    assert found.version <= 2 * FLAPPING + 2, "a trouble that comes and goes 20 times is not pushed 40 times"
    await alarms.settle(database, found.ends_at or now)
    (over,) = await all_of(database)
    assert over.cleared_at is not None
    assert over.cleared_at >= now - timedelta(seconds=10) - timedelta(minutes=20) + SETTLED


async def test_who_acknowledged_first_stays(database: Database) -> None:
    start = now_utc()
    await raise_(database, start)
    (found,) = await all_of(database)
    await alarms.acknowledge(database, found.id, start, "Ann")
    again = await alarms.acknowledge(database, found.id, start + timedelta(minutes=1), "Bob")
    assert (again.acknowledged_at, again.acknowledged_by) == (start, "Ann")
    with pytest.raises(AlarmNotFound):
        await alarms.acknowledge(database, found.id + 1, start, "Bob")


async def test_pages_hold_each_alarm_once_under_every_filter(database: Database) -> None:
    start = now_utc()
    await raise_(database, start, *(of_gateway(AlarmKind.GATEWAY_SILENT, n) for n in range(30)), SLOW)
    await clear(database, start, of_gateway(AlarmKind.GATEWAY_SILENT, 7))
    first = await alarms.page(database, limit=20)
    rest = await alarms.page(database, before=first[-1].id, limit=20)
    assert len({each.id for each in (*first, *rest)}) == 31
    assert len(await alarms.page(database, is_open=True, kind="GATEWAY_SILENT", limit=100)) == 29
    assert [each.gateway_id for each in await alarms.page(database, is_open=False, limit=100)] == [7]
    assert [each.kind for each in await alarms.page(database, severity="MINOR", limit=100)] == ["DATABASE_SLOW"]
    assert len(await alarms.page(database, gateway_id=3, limit=100)) == 1


async def test_what_is_over_is_forgotten_at_last(database: Database) -> None:
    start = now_utc()
    await raise_(database, start, SLOW, of_gateway(AlarmKind.GATEWAY_SILENT, 1))
    await clear(database, start)
    assert await alarms.prune(database, start + timedelta(days=1)) == 1
    assert [each.kind for each in await all_of(database)] == [AlarmKind.GATEWAY_SILENT]


@pytest.mark.parametrize("kind", list(AlarmKind))
def test_every_kind_has_words_also_where_facts_are_missing(kind: AlarmKind) -> None:
    text = words(kind, {})
    assert all((text.what, text.why, text.todo))
