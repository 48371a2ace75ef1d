"""Hotzones on the map: from signs of fraud that SIMs show to the site that stands out, on PostgreSQL."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.world import START, World, imsi

from simwarden.domain.events import Cause, CauseKind, EventType
from simwarden.domain.hexagons import hexagon_of
from simwarden.domain.hotspot import Window
from simwarden.domain.locating import Site
from simwarden.engine import hotspots
from simwarden.engine.unit_of_work import UnitOfWork
from simwarden.store import hotspots as store
from simwarden.store import sims as sim_store
from simwarden.store import sites

if TYPE_CHECKING:
    from datetime import datetime

    from tests.support.world import Box

HERE, THERE = Site(52.52, 13.405, 500.0), Site(48.857, 2.352, 500.0)


@pytest.fixture
async def boxes(world: World) -> list[Box]:
    """Two gateways at one site with cards 1 to 3 and 4 to 6, and a third one elsewhere with 7 to 9."""
    made = [await world.box(f"gw{n}") for n in (1, 2, 3)]
    await world.card(*range(1, 10))
    async with world.db.transaction() as connection:
        await sites.set_sites(connection, {"gw1": HERE, "gw2": HERE, "gw3": THERE}, START)
    for n, box in enumerate(made):
        for port in (1, 2, 3):
            box.put(3 * n + port, port)
        await world.take(box.dev_status())
    return made


async def sign(world: World, *numbers: int, kind: EventType = EventType.RULE_FIRED) -> None:
    """These SIMs show a sign of fraud now."""
    async with world.db.transaction() as connection:
        work = UnitOfWork(connection, world.clock())
        await work.lock(imsi(number) for number in numbers)
        for number in numbers:
            cause = Cause(CauseKind.REPORT, "gw1", world.clock())
            work.record(imsi(number), kind, cause, None, {"rule": "x", "subscriptions": []})
        await work.write()


async def hot(world: World) -> dict[Window, int]:
    """SIMs with a sign at the one site that is hot, by window."""
    found = await store.open_ones(world.db)
    assert {place for place, _ in found} <= {"52.52000,13.40500"}
    return {window: spot.counted.with_sign for (_, window), spot in found.items()}


async def test_a_site_of_two_gateways_gets_hot_and_cools(world: World, boxes: list[Box]) -> None:
    assert len(boxes) == 3
    await sign(world, 1, 4)
    await sign(world, 1, 7, kind=EventType.BINDING_DIFFERED)
    await sign(world, 8, 9, kind=EventType.DEVICE_UNKNOWN)
    await hotspots.look(world.db, world.clock())
    assert await hot(world) == {}, "two SIMs are too few"
    await sign(world, 5, kind=EventType.HOTZONE_ANOMALY)
    await hotspots.look(world.db, world.clock())
    assert await hot(world) == {Window.HOUR: 3, Window.DAY: 3}
    later: datetime = world.clock.turn(2 * 3600)
    await hotspots.look(world.db, later)
    await hotspots.look(world.db, world.clock.turn(2 * 3600 - 60))
    assert await hot(world) == {Window.HOUR: 3, Window.DAY: 3}, "it cools"
    await hotspots.look(world.db, world.clock.turn(61))
    assert await hot(world) == {Window.DAY: 3}
    [ended] = [each for each in await store.recent(world.db, START, 10) if each.ended_at]
    assert (ended.window, ended.since, ended.calm_since) == (Window.HOUR, START, later)
    await sign(world, 1, 2, 3)
    await hotspots.look(world.db, world.clock())
    assert await hot(world) == {Window.HOUR: 3, Window.DAY: 5}, "it is hot anew"


async def test_where_signs_are_usual_few_are_no_hotspot(world: World, boxes: list[Box]) -> None:
    assert boxes
    for _ in range(15):
        await sign(world, *range(1, 10))
        world.clock.turn(86_400)
    await sign(world, 1, 2, 4)
    await hotspots.look(world.db, world.clock())
    assert Window.DAY not in await hot(world), "half of them show one every day"


async def test_what_is_old_and_what_is_of_deleted_sims_goes(world: World, boxes: list[Box]) -> None:
    assert boxes
    await sign(world, 1, 2, 3)
    await hotspots.look(world.db, world.clock())
    async with world.db.transaction() as connection:
        found = await sim_store.lock(connection, [imsi(1)])
        await sim_store.delete(connection, list(found.values()), world.clock())
    count = "select count(*) from fraud_sign"
    assert await world.db.fetchval(count) == 2
    now = world.clock.turn(store.KEPT.total_seconds() - 60)
    await hotspots.look(world.db, now)
    await store.prune(world.db, now, 1)
    assert await world.db.fetchval(count) == 2
    now = world.clock.turn(120)
    for _ in range(2):
        await hotspots.look(world.db, now + timedelta(days=3))
        await store.prune(world.db, now + store.KEPT, 1)
    assert await world.db.fetchval(count) == 0


async def test_a_site_that_is_no_more_cools(world: World, boxes: list[Box]) -> None:
    await sign(world, 1, 2, 3)
    await hotspots.look(world.db, world.clock())
    async with world.db.transaction() as connection:
        await sites.set_sites(connection, {"gw1": None, "gw2": None, "gw3": None}, START)
    for hours in (1, 2, 2):
        await hotspots.look(world.db, world.clock.turn(hours * 3600))
    assert await hot(world) == {Window.DAY: 3}
    assert boxes


async def test_what_is_usual_is_read_once_an_hour(
    world: World, boxes: list[Box], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(boxes) == 3
    read: list[int] = []
    real = store.sims_with_sign

    async def counted(*args: Any) -> int:
        read.append(args[-1])
        return await real(*args)

    monkeypatch.setattr(store, "sims_with_sign", counted)
    kept: hotspots.Usual = {}
    await hotspots.look(world.db, world.clock(), kept)
    await hotspots.look(world.db, world.clock.turn(3599), kept)
    assert sorted(read) == [1, 24]
    await hotspots.look(world.db, world.clock.turn(1), kept)
    assert sorted(read) == [1, 1, 24, 24]


async def place(world: World, number: int, cell: str, area: str | None = None) -> None:
    """A report of a session showed the SIM in this cell."""
    await world.db.execute(
        "insert into sim_place (bucket, imsi, cell, cell_area, cell_at) values ($1, $2, $3, $4, $5) "
        "on conflict (bucket, imsi) do update set cell = $3, cell_area = $4, cell_at = $5",
        *((await world.sim(number)).bucket, imsi(number), cell, area, world.clock()),
    )


async def test_a_hexagon_of_cells_gets_hot_and_cools(world: World) -> None:
    near = {"ecgi:46000-0000001": (52.52, 13.40), "tai:46000-0001": (52.53, 13.38)}
    cells = near | {"ecgi:46000-0000009": (48.857, 2.352)}
    [hexagon] = {hexagon_of(*position) for position in near.values()}
    for key, position in cells.items():
        await world.db.execute("insert into cell values ($1, $2, $3, 500)", key, *position)
    await world.card(*range(1, 12))
    for number in (1, 2, 3):
        await place(world, number, "ecgi:46000-0000001", "tai:46000-0001")
    for number in (4, 5):
        await place(world, number, "ecgi:46000-00000ff", "tai:46000-0001")  # that cell's position is not known
    for number in (7, 8):
        await place(world, number, "ecgi:46000-0000009")
    await place(world, 9, "ecgi:46000-00000ff")
    await sign(world, 1, 4, 7, 8, 9, 10)
    await hotspots.look(world.db, world.clock())
    assert await store.open_ones(world.db) == {}, "two SIMs in one hexagon are too few"
    assert await world.db.fetchval("select count(*) from fraud_sign") == 4, "two are nobody knows where"
    await sign(world, 5)
    await hotspots.look(world.db, world.clock())
    found = await store.open_ones(world.db)
    assert {place: (spot.counted.sims, spot.counted.with_sign) for (place, _), spot in found.items()} == {
        hexagon: (5, 3)
    }
    assert {window for _, window in found} == set(Window)
    for hours in (2, 2):
        await hotspots.look(world.db, world.clock.turn(hours * 3600))
    assert {window for _, window in await store.open_ones(world.db)} == {Window.DAY}


async def test_a_sim_in_a_gateway_is_at_its_site_whatever_its_cell(world: World, boxes: list[Box]) -> None:
    assert boxes
    await world.db.execute("insert into cell values ('ecgi:46000-0000001', 10, 10, 500)")
    for number in (1, 2, 4):
        await place(world, number, "ecgi:46000-0000001")
    await sign(world, 1, 2, 4)
    await hotspots.look(world.db, world.clock())
    assert await hot(world) == {Window.HOUR: 3, Window.DAY: 3}
