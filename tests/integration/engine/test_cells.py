"""Importing tables of cells: their formats, bad lines, again, and stopped in the middle."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.fixtures import world, world_database

from simwarden.engine import cells as importing
from simwarden.engine.cells import BadCellFile, CellImport, CellTally, read_cells
from simwarden.store import sites

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.world import World

__all__ = ["world", "world_database"]
HEAD = "radio,mcc,net,area,cell,unit,lon,lat,range,samples,changeable,created,updated,averageSignal"
ROWS = [
    "GSM,262,2,801,86355,0,13.285512,52.522202,1000,7,1,1282569574,1300155341,0",
    "UMTS,262,2,801,69034411,0,13.28,52.52,1000,7,1,1282569574,1300155341,0",
    "LTE,310,410,1,1193046,,-74.0,40.7,0,1,1,1,1,",
    "NR,460,0,1,4886718345,0,121.47,31.23,2500,1,1,1,1,",
    "CDMA,310,1,1,1,0,-74.0,40.7,100,1,1,1,1,",
]


def read(*lines: str) -> tuple[list[Any], CellTally]:
    tally = CellTally()
    return list(
        read_cells(lines, tally),
    ), tally


async def take(world: World, *lines: str, **more: Any) -> CellTally:
    return await CellImport(world.db, world.clock, **more).run(lines)


async def stored(world: World) -> dict[str, tuple[float, float, float]]:
    rows = await world.db.fetch("select * from cell order by key")
    return {row["key"]: (row["latitude"], row["longitude"], row["radius"]) for row in rows}


@pytest.mark.parametrize("head", [[HEAD], ["\ufeff" + HEAD + "\r\n"], []])
def test_a_public_table_with_and_without_its_head(head: list[str]) -> None:
    found, tally = read(*head, *ROWS[1:])
    assert found == [
        ("cgi:26202-0321-61ab", 52.52, 13.28, 1000.0),
        ("ecgi:310410-0123456", 40.7, -74.0, importing.UNKNOWN_RANGE),
        ("ncgi:46000-123456789", 31.23, 121.47, 2500.0),
    ]
    assert (tally.skipped, tally.refused) == (1, 0)


def test_a_table_by_key() -> None:
    found, tally = read("key,latitude,longitude,radius", "TAI:26201-1234,52.52,13.4,20000", "tai:26201-12,1,1,1", "")
    assert found == [("tai:26201-1234", 52.52, 13.4, 20000.0)]
    (bad,) = tally.bad
    assert (bad.line, "4 or 6 hexadecimal digits" in bad.reason) == (3, True)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("GSM,262,2,801,86355,0,13.28,52.52,1000", "not both 0 to 65535"),
        ("LTE,262,2,801,268435456,0,13.28,52.52,1000", "28 bits"),
        ("LTE,262,2,801,-1,0,13.28,52.52,1000", "28 bits"),
        ("LTE,1262,2,801,1,0,13.28,52.52,1000", "mcc and net"),
        ("LTE,262,2,801,1,0,13.28", "too few"),
        ("LTE,262,2,801,1,0,13.28,x,1000", "a number is needed"),
        ("LTE,262,2,801,1,0,13.28,nan,1000", "latitude"),
        ("LTE,262,2,801,1,0,31.23,121.47,1000", "swapped"),
        ("LTE,262,2,801,1,0,0,0,1000", "missing"),
        ("LTE,262,2,801,1,0,13.28,52.52,-5", "radius"),
        ("WIFI,262,2,801,1,0,13.28,52.52,1000", "radio is one of"),
        ("lte,262,2,801,1,0,13.28,52.52,1000", "radio is one of"),
    ],
)
def test_a_bad_line_is_told_by_its_number(row: str, reason: str) -> None:
    found, tally = read(HEAD, ROWS[2], row, ROWS[3])
    assert len(found) == 2
    assert [bad.line for bad in tally.bad] == [3]
    assert reason in tally.bad[0].reason


@pytest.mark.parametrize("first", ["", "imsi,iccid", "WIFI,1,2,3", "\x00\x01"])
def test_what_is_no_table_is_refused(first: str) -> None:
    with pytest.raises(BadCellFile, match="Line 1 must begin with"):
        read(first)


async def test_an_import_and_a_newer_one(world: World) -> None:
    tally = await take(world, HEAD, *ROWS)
    assert (tally.stored, tally.moved, tally.skipped, tally.refused) == (3, 3, 1, 1)
    again = await take(world, HEAD, *ROWS)
    assert (again.stored, again.moved) == (3, 0)
    newer = await take(world, HEAD, ROWS[2].replace("40.7", "40.8"), "LTE,262,1,1,7,0,1,1,9")
    assert (newer.stored, newer.moved) == (2, 2)
    assert (await stored(world))["ecgi:310410-0123456"][0] == 40.8
    assert len(await stored(world)) == 4


async def test_of_two_rows_of_a_cell_the_later_one_counts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "BATCH", 2)
    monkeypatch.setattr(importing, "_SLICE", 1)
    rows = [f"LTE,262,1,1,{number % 3},0,1,{number + 1},9" for number in range(20)]
    await take(world, HEAD, *rows)
    assert {key: site[0] for key, site in (await stored(world)).items()} == {
        "ecgi:26201-0000000": 19.0,
        "ecgi:26201-0000001": 20.0,
        "ecgi:26201-0000002": 18.0,
    }


async def test_what_was_reported_as_stored_stays_when_it_is_stopped(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "BATCH", 10)
    monkeypatch.setattr(importing, "_SLICE", 10)
    told: list[int] = []

    def lines() -> Iterator[str]:
        yield HEAD
        for number in range(1000):
            yield f"LTE,262,1,1,{number},0,1,1,9"

    def progress(tally: CellTally) -> None:
        told.append(tally.stored)
        if tally.stored >= 50:
            task.cancel()

    task = asyncio.create_task(CellImport(world.db, world.clock, progress).run(lines()))
    with pytest.raises(asyncio.CancelledError):
        await task
    assert 50 <= told[-1] <= len(await stored(world)) < 1000


async def test_sims_in_a_cell_that_moved_are_marked(world: World) -> None:
    await world.card(1, 2, 3)
    for number, cell, area in (
        (1, "ecgi:26201-0000001", None),
        (2, "ecgi:26201-0000009", "tai:26201-0001"),
        (3, "x", None),
    ):
        sim = await world.sim(number)
        await world.db.execute(
            "insert into sim_place (bucket, imsi, cell, cell_area) values ($1, $2, $3, $4)",
            *(sim.bucket, sim.imsi, cell, area),
        )
    await take(world, "key,latitude,longitude,radius", "ecgi:26201-0000001,1,1,1", "tai:26201-0001,1,1,1")
    waiting = []
    for bucket in await sites.waiting(world.db):
        async with world.db.transaction() as connection:
            waiting += await sites.take_reviews(connection, bucket, 10)
    assert sorted(waiting) == [(await world.sim(1)).imsi, (await world.sim(2)).imsi]
    assert await sites.waiting(world.db) == []
    await take(world, "key,latitude,longitude,radius", "ecgi:26201-0000001,1,1,1")
    assert await sites.waiting(world.db) == [], "it did not move"
