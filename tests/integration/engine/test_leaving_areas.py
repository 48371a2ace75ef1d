"""SIMs that are limited to an area, through reports, and through changes of where gateways and cells are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.integration.engine.test_places import BERLIN, CELL, FAR, PARIS, know, put_at, session
from tests.support.fixtures import world, world_database
from tests.support.world import START, Box, World, device

from simwarden.domain.area import Circle
from simwarden.domain.events import EventType
from simwarden.domain.locating import Site
from simwarden.domain.rules.area import LimitArea
from simwarden.domain.session import Phase
from simwarden.domain.sim import BarCause
from simwarden.engine.place_review import PlaceReview
from simwarden.store import places, sites

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["world", "world_database"]
CITY = Circle(52.52, 13.405, 20_000)
NEAR = Site(52.6, 13.405, 500.0)


@pytest.fixture
async def box(world: World) -> Box:
    """A gateway in Berlin with card 1 in it, which may be there alone; and one in Paris."""
    await world.card(1, 2)
    box, _ = await world.box("gw1"), await world.box("gw2")
    await put_at(world, gw1=BERLIN, gw2=PARIS)
    box.put(1, 1)
    await world.take(box.dev_status())
    await world.do(1, LimitArea(area=CITY))
    return box


async def exits(world: World, number: int = 1) -> bool:
    return (await world.sim(number)).bar(BarCause.AREA_EXIT) is not None


async def look_again(world: World) -> None:
    review = PlaceReview(world.db, clock=world.clock)
    while await review.turn() == 0.0:
        pass


async def causes(world: World, kind: EventType) -> Sequence[str]:
    return [event.cause.source for event in await world.events(1) if event.type is kind]


async def test_a_sim_that_moves_to_a_gateway_elsewhere_is_barred_in_that_commit(world: World, box: Box) -> None:
    paris = world.boxes[1]
    assert not await exits(world)
    world.clock.turn(120)
    paris.put(1, 1)
    await world.take(box.dev_status(), paris.dev_status())
    assert await exits(world)
    assert await causes(world, EventType.BAR_RAISED) == ["gw2"]
    assert (await world.attached(1))[paris.target(1)].desired == 7
    world.clock.turn(120)
    box.put(1, 1)
    await world.take(paris.dev_status(), box.dev_status())
    assert not await exits(world)


async def test_a_cell_elsewhere_bars_too_and_the_event_names_the_session(world: World, box: Box) -> None:
    nas = await world.box("nas-1")
    await know(world, cell=NEAR, far=PARIS)
    world.clock.turn(60)
    box.cards.clear()
    await world.take(box.dev_status())
    world.clock.turn(60)
    await world.take(session(nas, Phase.BEGAN, CELL))
    assert not await exits(world)
    world.clock.turn(300)
    await world.take(session(nas, Phase.GOES_ON, FAR, began_at=START))
    assert await exits(world)
    assert await causes(world, EventType.BAR_RAISED) == ["nas-1"]


async def test_a_limit_costs_sims_that_stay_nothing(world: World, box: Box) -> None:
    before = [await world.written(table) for table in ("sim", "event", "sim_place", "place_change")]
    for _ in range(3):
        world.clock.turn(60)
        await world.take(box.dev_status())
    assert [await world.written(table) for table in ("sim", "event", "sim_place", "place_change")] == before


async def test_a_gateway_whose_site_changes_takes_its_sims_along(world: World, box: Box) -> None:
    world.clock.turn(60)
    await put_at(world, gw1=PARIS)
    assert not await exits(world), "behind the commit"
    await look_again(world)
    assert await exits(world)
    assert await world.written("place_review") == []
    world.clock.turn(60)
    await put_at(world, gw1=BERLIN)
    await look_again(world)
    assert not await exits(world)
    assert await put_at(world, gw1=BERLIN) == set()
    assert await sites.waiting(world.db) == [], "nothing changed"


async def test_a_cell_that_moves_takes_its_sims_along(world: World, box: Box) -> None:
    nas = await world.box("nas-1")
    await know(world, cell=NEAR)
    box.cards.clear()
    world.clock.turn(60)
    await world.take(box.dev_status())
    world.clock.turn(60)
    await world.take(session(nas, Phase.BEGAN, CELL, imei=device(9)))
    world.clock.turn(60)
    await know(world, cell=PARIS)
    await look_again(world)
    assert await exits(world)


async def test_many_are_looked_at_some_at_a_time_and_a_stop_loses_none(
    world: World, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simwarden.engine.place_review.AT_ONCE", 1)
    await world.card(*range(3, 12))
    for number in range(3, 12):
        box.put(number, number)
    await world.take(box.dev_status(ports=range(1, 12), slots=1))
    for number in range(3, 12):
        await world.do(number, LimitArea(area=CITY))
    world.clock.turn(60)
    await put_at(world, gw1=PARIS)
    review = PlaceReview(world.db, clock=world.clock)
    bucket = (await sites.waiting(world.db))[0]
    assert await review._look(bucket) == 1
    left = len(await world.written("place_review"))
    assert left == 9
    await look_again(world)
    assert all([await exits(world, number) for number in (1, *range(3, 12))])


async def test_a_site_that_changes_while_a_sim_is_looked_at_is_seen_again(world: World, box: Box) -> None:
    """Who looks took the SIM off the list before it read the site."""
    world.clock.turn(60)
    await put_at(world, gw1=NEAR)
    async with world.db.transaction() as connection:
        await sites.set_sites(connection, {"gw1": PARIS}, world.clock())
        await look_again(world)  # may not see it yet
    await look_again(world)
    assert await exits(world)


async def test_an_address_is_judged_too(world: World, box: Box) -> None:
    await world.do(2, LimitArea(area=CITY))
    sim = await world.sim(2)
    async with world.db.transaction() as connection:
        await places.set_address(connection, sim, PARIS)
        await sites.review(connection, sim, world.clock())
    await look_again(world)
    assert await exits(world, 2)


async def test_a_sim_in_a_gateway_without_a_site_is_nowhere(world: World, box: Box) -> None:
    nowhere = await world.box("gw3")
    world.clock.turn(120)
    nowhere.put(1, 1)
    await world.take(box.dev_status(), nowhere.dev_status())
    sim = await world.sim(1)
    assert sim.area is not None
    assert sim.area.state == "UNKNOWN"
    assert not await exits(world), "unknown is allowed by default"
