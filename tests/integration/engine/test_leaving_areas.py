"""SIMs that are limited to an area, through reports, and through changes of where gateways and cells are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from tests.integration.engine.test_places import BERLIN, CELL, FAR, PARIS, know, put_at, session
from tests.support.fixtures import world, world_database
from tests.support.world import START, Box, World, device, imsi

from simwarden.domain.area import Circle
from simwarden.domain.events import EventType
from simwarden.domain.identifiers import bucket_of
from simwarden.domain.locating import Site
from simwarden.domain.rules.area import LimitArea
from simwarden.domain.rules.device import Bind
from simwarden.domain.session import Phase
from simwarden.domain.sim import BarCause
from simwarden.engine import areas
from simwarden.engine.place_review import PlaceReview
from simwarden.store import doubts, places, sites

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simwarden.domain.reports import Report
    from simwarden.engine.unit_of_work import UnitOfWork

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


async def stolen_away(world: World, *, url: bool) -> tuple[Box, Box]:
    """Card 1 is out of its area, barred, at an honest gateway in Paris; another one, in hostile hands, is in Berlin."""
    address = "http://127.0.0.1:9" if url else None
    honest, hostile = await world.box("honest", url=address), await world.box("hostile", url=address)
    await put_at(world, honest=PARIS, hostile=BERLIN)
    world.clock.turn(120)
    honest.put(1, 1)
    await world.take(world.boxes[0].dev_status(), honest.dev_status(), hostile.dev_status())
    assert await exits(world)
    return honest, hostile


def forged(box: Box, **changes: Any) -> Report:
    """The hostile gateway shows card 1, which is not in it."""
    return box.port_status(1, imsi=imsi(1), status=3, locked=False, **changes)


@pytest.mark.parametrize("url", [True, False])
@pytest.mark.parametrize("polled", [True, False])
async def test_a_gateway_inside_opens_no_sim_that_another_shows_outside(
    world: World, box: Box, url: bool, polled: bool
) -> None:
    honest, hostile = await stolen_away(world, url=url)
    for _ in range(4):
        for _ in range(5):
            world.clock.turn(12)
            await world.take(msgspec.structs.replace(forged(hostile), polled=polled))
            assert await exits(world)
            await world.ask()
            assert await exits(world)
        await world.take(honest.dev_status())
        assert await exits(world)
    assert set(await world.attached(1)) == {honest.target(1)}
    assert [event for event in await world.events(1) if event.type is EventType.BAR_LIFTED] == []
    doubted = await doubts.page(world.db, None)
    assert {(row["gateway"], row["kind"]) for row in doubted} == {("hostile", "CONFLICT")}


async def test_it_is_opened_once_the_gateway_outside_was_asked_and_shows_it_no_longer(world: World, box: Box) -> None:
    _, hostile = await stolen_away(world, url=True)
    world.clock.turn(20)
    hostile.put(1, 1)
    await world.take(hostile.port_status(1))
    assert await exits(world), "the gateway outside has not spoken"
    for _ in range(3):
        await world.ask()
        world.clock.turn(10)
    assert not await exits(world)
    assert not [item for item in (await world.attached(1)).values() if item.wanted]


async def test_it_is_opened_when_the_gateway_outside_is_silent(world: World, box: Box) -> None:
    _, hostile = await stolen_away(world, url=False)
    hostile.put(1, 1)
    for _ in range(2):
        world.clock.turn(60)
        await world.take(hostile.dev_status())
    assert not await exits(world)


async def test_it_is_locked_at_once_at_a_further_gateway_outside(world: World, box: Box) -> None:
    honest, _ = await stolen_away(world, url=True)
    lyon = await world.box("lyon", url="http://127.0.0.1:9")
    await put_at(world, lyon=PARIS)
    world.clock.turn(5)
    lyon.put(1, 2)
    await world.take(lyon.port_status(2))
    attached = await world.attached(1)
    assert attached[lyon.target(2)].desired == attached[honest.target(1)].desired == 7


async def test_it_is_barred_for_its_device_at_once_at_a_gateway_inside(world: World, box: Box) -> None:
    """A wrong device there is barred without proof, so that nothing forged elsewhere can delay it."""
    honest, hostile = await stolen_away(world, url=True)
    seen = (await world.sim(1)).seen
    assert seen is not None
    await world.do(1, Bind(imeis=(seen.imei or "",)))
    world.clock.turn(5)
    await world.take(forged(hostile, imei=device(99)))
    assert (await world.attached(1))[hostile.target(1)].desired == 7
    assert (await world.sim(1)).bar(BarCause.IMEI_MISMATCH) is not None
    world.clock.turn(5)
    await world.take(honest.dev_status())
    for _ in range(2):
        await world.ask()
        world.clock.turn(10)
    assert await exits(world)


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


async def test_a_sim_whose_rule_fails_holds_up_no_other_sim_of_its_gateway(
    world: World, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    same = next(number for number in range(3, 5000) if bucket_of(imsi(number)) == bucket_of(imsi(1)))
    await world.card(same)
    box.put(same, 2)
    world.clock.turn(60)
    await world.take(box.dev_status())
    await world.do(same, LimitArea(area=CITY))
    see = areas.see

    def faulty(work: UnitOfWork, *rest: Any) -> None:
        if imsi(1) in work.sims:
            raise ZeroDivisionError
        see(work, *rest)

    monkeypatch.setattr(areas, "see", faulty)
    await put_at(world, gw1=PARIS)
    await look_again(world)
    assert (await exits(world), await exits(world, same)) == (False, True)
    assert await world.written("place_review") == []


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
    assert await review._look(bucket, 1) == 1
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
