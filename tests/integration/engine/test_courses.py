"""What the short way makes of sessions that go on, the whole way would make of them too: on a real database."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from tests.support.fixtures import world, world_database
from tests.support.world import START, Box, World, device, iccid, imsi

from simwarden.domain.errors import TryAgain
from simwarden.domain.identifiers import full_imei
from simwarden.domain.reports import Report
from simwarden.domain.session import MOST_OCTETS, Octets, Phase, SessionNote
from simwarden.engine import courses
from simwarden.store import seen_again

__all__ = ["world", "world_database"]
TABLES = ("session", "sim", "sim_place", "attachment", "event", "data_volume", "place_change")
STARTED: dict[str, Any] = {
    "key": "S",
    "svn": "01",
    "plmn": "46000",
    "apn": "iot",
    "rat": "EUTRA",
    "cells": ("ecgi:1", "tai:1"),
}
COURSE: dict[str, Any] = {"octets": Octets(100, 900), "ipv4": "10.0.0.1"}
SHORT: dict[str, dict[str, Any]] = {
    "more octets": {},
    "no octets": {"octets": None},
    "octets of before": {"octets": Octets(1, 2)},
    "more up alone": {"octets": Octets(500, 0)},
    "without a device": {"imei": None, "svn": None},
    "without network and address": {"plmn": None, "rat": None, "ipv4": None},
    "without a cell": {"cells": ()},
    "just before the stored time is due to be renewed": {"minutes": 14.9},
    "much later": {"minutes": 20},
    "much later, in a cell of which nothing is known": {"minutes": 20, "cells": ("ecgi:9", "tai:9")},
    "much later, in an area": {"minutes": 20, "cells": ("ecgi:9", "tai:1")},
    "much later, the cell as of a while before": {"minutes": 20, "cells_at": START + timedelta(minutes=18)},
    "much later, the cell as of before": {"minutes": 20, "cells_at": START + timedelta(minutes=3)},
    "much later, without a device and a cell": {"minutes": 20, "imei": None, "svn": None, "cells": ()},
}
WHOLE: dict[str, dict[str, Any]] = {
    "another device": {"imei": device(900)},
    "another software": {"svn": "02"},
    "another network": {"plmn": "46001"},
    "another access point": {"apn": "web"},
    "no access point": {"apn": None},
    "another radio": {"rat": "NR"},
    "another address": {"ipv4": "10.0.0.2"},
    "its first prefix": {"ipv6": "2001:db8::/64"},
    "its first decision": {"decision": "simwarden;event=1;at=1"},
    "another cell": {"cells": ("ecgi:2", "tai:1")},
    "another area around the cell": {"cells": ("ecgi:1", "tai:2")},
    "a cell of before": {"cells": ("ecgi:2", "tai:2"), "cells_at": START},
    "before the last report": {"minutes": 1},
    "before the beginning": {"minutes": -5, "began_at": START - timedelta(minutes=9)},
    "an earlier beginning": {"began_at": START - timedelta(minutes=9)},
    "another session": {"key": "T"},
    "octets that nobody believes": {"octets": Octets(MOST_OCTETS + 1, 5)},
    "its end": {"phase": Phase.ENDED},
    "a beginning again": {"phase": Phase.BEGAN},
}


def report(nas: Box, number: int, minutes: float, **fields: Any) -> Report:
    at = START + timedelta(minutes=minutes)
    given: dict[str, Any] = {
        "phase": Phase.GOES_ON,
        "at": at,
        "began_at": START,
        "imsi": imsi(number),
        "imei": device(number),
    }
    return Report(
        gateway_id=nas.id,
        gateway_name=nas.ref.name,
        received_at=nas.world.clock(),
        message="accounting",
        sessions=(SessionNote(**(STARTED | given | fields)),),
        authentic=True,
    )


async def state(world: World, number: int) -> str:
    """All that is stored of a SIM, with its own names left out."""
    found = []
    for table in TABLES:
        rows = await world.db.fetch(
            f"select to_jsonb(t)::text as t from {table} t where imsi = $1 order by 1",
            imsi(number),
        )
        found += [f"{table} {row['t']}" for row in rows]
    text = "\n".join(found)
    for name, word in (
        (iccid(number), "ICCID"),
        (imsi(number), "IMSI"),
        (full_imei(device(number)), "IMEI"),
        (device(number), "IMEI"),
    ):
        text = text.replace(name, word)
    text = re.sub(r'"(?!2026-03-01T)\d{4}-\d\d-\d\dT[^"]*"', "of the machine's clock", text)
    return re.sub(r'"bucket": \d+', "", text)


async def known_cells(world: World, *keys: str) -> None:
    for key in keys:
        await world.db.execute("insert into cell (key, latitude, longitude, radius) values ($1, 30.2, 120.1, 500)", key)


async def test_both_ways_make_the_same_of_every_report(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    nas = await world.box("nas-1")
    world.clock.turn(3600)
    await known_cells(world, "ecgi:1", "tai:1")
    variants = {**SHORT, **WHOLE}
    cards = {what: (2 * n + 1, 2 * n + 2) for n, what in enumerate(variants)}
    for what, pair in cards.items():
        for number in pair:
            await world.card(number, imei=device(number))
            begun = {"cells": variants[what]["cells"]} if what in SHORT and variants[what].get("cells") else {}
            await world.take(report(nas, number, 0, phase=Phase.BEGAN, **begun))
            await world.take(report(nas, number, 2, octets=Octets(10, 90), ipv4="10.0.0.1", **begun))
    left: list[Report] = []
    count = courses.count

    async def spied(connection: Any, reports: Any, *more: Any) -> list[Report]:
        left[:] = await count(connection, reports, *more)
        return list(left)

    async def whole(_connection: Any, reports: Any, *_more: Any) -> list[Report]:
        return list(reports)

    for what, (short_one, whole_one) in cards.items():
        fields = {"minutes": 5, **COURSE, **variants[what]}
        monkeypatch.setattr(courses, "count", spied)
        await world.take(report(nas, short_one, **fields))
        assert bool(left) == (what in WHOLE), what
        monkeypatch.setattr(courses, "count", whole)
        await world.take(report(nas, whole_one, **fields))
        mine, other = world.tallies[-2:]
        assert (mine.sessions, mine.sightings) == (other.sessions, other.sightings), what
        assert await state(world, short_one) == await state(world, whole_one), what


async def test_a_name_with_a_line_break_shifts_no_rows(world: World) -> None:
    nas = await world.box("nas-1")
    world.clock.turn(3600)
    keys = {1: "A\nB", 2: "S"}
    for number, key in keys.items():
        await world.card(number, imei=device(number))
        await world.take(report(nas, number, 0, phase=Phase.BEGAN, key=key))
    await world.take(*(report(nas, number, 5, key=key, octets=Octets(number, 0)) for number, key in keys.items()))
    rows = await world.db.fetch("select key, up from session order by key")
    assert {row["key"]: row["up"] for row in rows} == {"A\nB": 1, "S": 2}


async def test_who_waits_for_reports_of_a_sim_gets_them(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the network is to do something, somebody is told, or rules count, nothing takes the short way."""
    world.clock.turn(3600)
    conditions = {
        "something is to be off": "update attachment set desired = 7",
        "a command is under way": "update attachment set status = 'PENDING'",
        "somebody is told how it stands": "insert into sim_standing (bucket, imsi) select bucket, imsi from sim",
        "rules count": "insert into risk_account values ('acme', 'stamp', true, false)",
        "a bar is about to be lifted": "update sim set upheld_at = now()",
        "it is to be bound to the next device": "update sim set state = 'ARMED'",
        "it was seen in another device": "update sim set seen_imei = '35000999000001'",
        "its element began anew": "insert into session_restart select id, '2026-03-01 13:00+00' from gateway",
        "its element is another account's": "update gateway set account_id = 'other'",
        "its end is presumed": "update session set presumed = true",
    }
    passed: list[int] = []
    count = courses.count

    async def spied(connection: Any, reports: Any, *more: Any) -> list[Report]:
        passed[:] = [len(await count(connection, reports, *more))]
        return []

    monkeypatch.setattr(courses, "count", spied)
    for what, statement in conditions.items():
        await world.prepare()
        nas = await world.box("nas-1")
        await world.card(1, imei=device(1))
        monkeypatch.setattr(courses, "count", count)
        await world.take(report(nas, 1, 0, phase=Phase.BEGAN))
        monkeypatch.setattr(courses, "count", spied)
        await world.take(report(nas, 1, 5, **COURSE | {"ipv4": None}))
        assert passed == [0], what
        await world.db.execute(statement)
        await world.take(report(nas, 1, 6, **COURSE | {"ipv4": None}))
        assert passed == [1], what


async def test_stored_times_are_renewed_only_where_nothing_is_decided_by_that(world: World) -> None:
    world.clock.turn(3600)
    nas = await world.box("nas-1")
    conditions = {
        "nothing": "select $1::text",
        "it is in a slot": "update sim set seen_gateway = 1, seen_port = 1, seen_slot = 1 where imsi = $1",
        "it is under a bar": "update sim set bars = '[{}]' where imsi = $1",
        "it is in another device than bound": "update sim set state = 'DIFFERED' where imsi = $1",
        "its history has another place": "update sim_place set source = 'CELL', ref = 'ecgi:7' where imsi = $1",
        "it has an address": "update sim_place set latitude = 1, longitude = 1, radius = 1 where imsi = $1",
        "its cell got a position": "insert into cell select 'ecgi:1', 1, 1, 1 where $1::text is not null",
    }
    for number, what in enumerate(conditions, 1):
        await world.card(number, imei=device(number))
        await world.take(report(nas, number, 0, phase=Phase.BEGAN))
        await world.db.execute(conditions[what], imsi(number))
        async with world.db.transaction() as connection:
            left = await courses.count(connection, [report(nas, number, 14)], [nas.id], timedelta(minutes=15))
            assert not left, what
            left = await courses.count(connection, [report(nas, number, 20)], [nas.id], timedelta(minutes=15))
            assert bool(left) == (what != "nothing"), what
    row = await world.db.fetchrow("select seen_at, seen_device_at from sim where imsi = $1", imsi(1))
    assert row is not None
    assert tuple(row) == (START + timedelta(minutes=20), START)


async def test_a_sim_of_which_something_became_meanwhile_is_read_again(world: World) -> None:
    await world.card(1, imei=device(1))
    nas = await world.box("nas-1")
    await world.take(report(nas, 1, 0, phase=Phase.BEGAN))
    events = await world.db.fetchval("select event_count from sim")
    async with world.db.transaction() as connection:
        await seen_again.hold(connection, {imsi(1): (START, events)})
        for known in ((START, events + 1), (START + timedelta(seconds=1), events)):
            with pytest.raises(TryAgain):
                await seen_again.hold(connection, {imsi(1): known})


async def test_several_reports_of_a_sim_keep_their_order(world: World) -> None:
    nas = await world.box("nas-1")
    world.clock.turn(3600)
    await world.card(1, imei=device(1))
    await world.take(report(nas, 1, 0, phase=Phase.BEGAN))
    last = report(nas, 1, 7, octets=Octets(3, 4), phase=Phase.ENDED)
    await world.take(report(nas, 1, 5, octets=Octets(2, 2)), report(nas, 1, 6, octets=Octets(1, 3)), last)
    row = await world.db.fetchrow("select up, down, ended_at from session")
    assert row is not None
    assert tuple(row) == (3, 4, START + timedelta(minutes=7))
    row = await world.db.fetchrow("select sum(up)::int, sum(down)::int from data_volume")
    assert row is not None
    assert tuple(row) == (3, 4)
