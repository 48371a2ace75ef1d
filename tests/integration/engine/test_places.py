"""Where SIMs are: by the site of their gateway, by cells of sessions, by an installation address; and their history."""

from __future__ import annotations

import asyncio
import itertools
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.fixtures import world, world_database
from tests.support.world import START, Box, World, device, imsi

from simwarden.domain.locating import Site
from simwarden.domain.place import PlaceSource
from simwarden.domain.reports import Report
from simwarden.domain.session import Phase, SessionNote
from simwarden.engine.keeping import Keeping
from simwarden.store import places, sims, sites
from simwarden.store.places import KEPT, Places

if TYPE_CHECKING:
    from simwarden.domain.place import Place

__all__ = ["world", "world_database"]
BERLIN, PARIS = Site(52.52, 13.405, 500.0), Site(48.857, 2.352, 800.0)
CELL, AREA, FAR = "ecgi:26201-0000001", "tai:26201-0001", "ecgi:26201-0000002"
TRACKER = device(77)


@pytest.fixture
async def box(world: World) -> Box:
    """A gateway in Berlin with card 1 in it, not reported yet."""
    await world.card(1)
    box = await world.box("gw1")
    await put_at(world, gw1=BERLIN)
    box.put(1, 1)
    return box


async def put_at(world: World, **gateways: Site | None) -> set[str]:
    async with world.db.transaction() as connection:
        return await sites.set_sites(connection, gateways, world.clock())


async def know(world: World, **cells: Site) -> int:
    keys = {"cell": CELL, "area": AREA, "far": FAR}
    async with world.db.transaction() as connection:
        rows = [(keys[name], at.latitude, at.longitude, at.radius) for name, at in cells.items()]
        return await sites.add_cells(connection, rows, world.clock())


async def where(world: World, number: int = 1) -> Place | None:
    return await Places(world.db, world.clock).place(await world.sim(number))


async def past(world: World, number: int = 1) -> list[tuple[str, str]]:
    """Source and reference of the places in its history, the newest first."""
    found = await places.history(
        world.db, await world.sim(number), before=world.clock() + timedelta(days=1), limit=1000
    )
    return [(str(each.source), each.ref) for each in found]


def session(box: Box, phase: Phase = Phase.BEGAN, *cells: str, imei: str = TRACKER, **fields: Any) -> Report:
    now = box.world.clock()
    given: dict[str, Any] = {"key": "S1", "phase": phase, "at": now, "began_at": now, "imsi": imsi(1), "imei": imei}
    note = SessionNote(**(given | {"cells": cells} | fields))
    return Report(
        gateway_id=box.id,
        gateway_name=box.ref.name,
        received_at=now,
        message="accounting",
        sessions=(note,),
        authentic=True,
    )


async def test_a_sim_is_at_the_site_of_the_gateway_that_it_is_in(world: World, box: Box) -> None:
    assert await where(world) is None
    await world.take(box.dev_status())
    found = await where(world)
    assert found is not None
    assert (found.latitude, found.longitude, found.radius) == (52.52, 13.405, 500.0)
    assert (found.source, found.ref, found.at) == (PlaceSource.SITE, str(box.id), START)
    assert await past(world) == [("SITE", str(box.id))]


async def test_staying_there_writes_nothing_and_is_known_to_be_confirmed(world: World, box: Box) -> None:
    await world.take(box.dev_status())
    before = [await world.written(table) for table in ("sim", "sim_place", "place_change")]
    world.clock.turn(60)
    await world.take(box.dev_status())
    assert [await world.written(table) for table in ("sim", "sim_place", "place_change")] == before
    found = await where(world)
    assert found is not None
    assert found.at == world.clock()


async def test_a_change_of_gateway_is_a_change_of_place(world: World, box: Box) -> None:
    other = await world.box("gw2")
    await put_at(world, gw2=PARIS)
    await world.take(box.dev_status())
    world.clock.turn(120)
    other.put(1, 2)
    await world.take(box.dev_status(), other.dev_status())
    found = await where(world)
    assert found is not None
    assert found.ref == str(other.id)
    assert await past(world) == [("SITE", str(other.id)), ("SITE", str(box.id))]
    world.clock.turn(5)  # however short it was there
    box.put(1, 2)
    await world.take(box.dev_status(), other.dev_status())
    world.clock.turn(5)
    other.put(1, 2)
    await world.take(box.dev_status(), other.dev_status())
    assert [ref for _, ref in await past(world)] == [str(each.id) for each in (other, box, other, box)]
    nowhere = await world.box("gw3")
    world.clock.turn(120)
    nowhere.put(1, 1)
    await world.take(other.dev_status(), nowhere.dev_status())
    assert await where(world) is None
    assert len(await past(world)) == 4
    world.clock.turn(120)
    other.put(1, 2)
    await world.take(nowhere.dev_status(), other.dev_status())
    assert len(await past(world)) == 5, "back from nowhere is a change"


async def test_who_is_not_shown_any_more_was_there_until_then(world: World, box: Box) -> None:
    await world.take(box.dev_status())
    world.clock.turn(60)
    box.cards.clear()
    await world.take(box.dev_status())
    world.clock.turn(3600)
    await world.take(box.dev_status())
    found = await where(world)
    assert found is not None
    assert (found.ref, found.at) == (str(box.id), START)


async def test_a_session_says_in_which_cell_a_sim_is(world: World) -> None:
    await world.card(1)
    nas = await world.box("nas-1")
    assert await know(world, cell=BERLIN, far=PARIS) == 2
    await world.take(session(nas, Phase.BEGAN, CELL, AREA))
    found = await where(world)
    assert found is not None
    assert (found.source, found.ref, found.latitude, found.at) == (PlaceSource.CELL, CELL, 52.52, START)
    world.clock.turn(300)
    await world.take(session(nas, Phase.GOES_ON, FAR, AREA, began_at=START))
    found = await where(world)
    assert found is not None
    assert (found.ref, found.at) == (FAR, world.clock())
    assert await past(world) == [("CELL", FAR), ("CELL", CELL)]


async def test_the_same_cell_again_is_written_coarsely(world: World) -> None:
    await world.card(1)
    nas = await world.box("nas-1")
    await know(world, cell=BERLIN)
    await world.take(session(nas, Phase.BEGAN, CELL))
    before = await world.written("sim_place")
    world.clock.turn(300)
    await world.take(session(nas, Phase.GOES_ON, CELL, began_at=START))
    assert await world.written("sim_place") == before
    world.clock.turn(700)
    await world.take(session(nas, Phase.GOES_ON, CELL, began_at=START))
    found = await where(world)
    assert found is not None
    assert found.at == world.clock()
    assert len(await past(world)) == 1


async def test_a_cell_that_is_in_no_table_says_no_place_and_is_counted(world: World) -> None:
    await world.card(1)
    nas = await world.box("nas-1")
    await world.take(session(nas, Phase.BEGAN, CELL, AREA))
    assert await where(world) is None
    assert world.tallies[-1].unknown_cells == 1
    await know(world, area=PARIS)
    found = await where(world)
    assert found is not None
    assert (found.ref, found.longitude) == (AREA, 2.352), "the area around it does"
    await know(world, cell=BERLIN)
    found = await where(world)
    assert found is not None
    assert found.ref == CELL


async def test_what_a_session_says_later_than_it_was_counts_from_then(world: World) -> None:
    await world.card(1)
    nas = await world.box("nas-1")
    await know(world, cell=BERLIN, far=PARIS)
    world.clock.turn(600)
    await world.take(session(nas, Phase.BEGAN, CELL))
    world.clock.turn(60)
    early = START + timedelta(seconds=10)
    await world.take(session(nas, Phase.GOES_ON, FAR, began_at=START + timedelta(seconds=600), cells_at=early))
    found = await where(world)
    assert found is not None
    assert found.ref == CELL, "the other cell was before"


async def test_a_session_that_the_sim_left_says_nothing_of_its_cell(world: World) -> None:
    await world.card(1)
    nas = await world.box("nas-1")
    await know(world, cell=BERLIN, far=PARIS)
    await world.take(session(nas, Phase.BEGAN, CELL))
    world.clock.turn(60)
    await world.take(session(nas, Phase.BEGAN, CELL, imei=device(5), key="S2"))
    world.clock.turn(60)
    await world.take(session(nas, Phase.GOES_ON, FAR, began_at=START))
    found = await where(world)
    assert found is not None
    assert found.ref == CELL


async def test_a_cell_of_somebody_elses_sim_is_not_believed(world: World) -> None:
    """A network element that is pinned to another account has no say."""
    await world.card(1)
    nas = await world.box("nas-1", account_id="other")
    await know(world, cell=BERLIN)
    await world.take(session(nas, Phase.BEGAN, CELL))
    assert await where(world) is None
    assert await past(world) == []


async def test_the_gateway_that_shows_the_sim_counts_before_a_cell(world: World, box: Box) -> None:
    nas = await world.box("nas-1")
    await know(world, cell=PARIS)
    await world.take(box.dev_status())
    module = box.device_at(1)
    world.clock.turn(30)
    await world.take(session(nas, Phase.BEGAN, CELL, imei=module or ""))
    found = await where(world)
    assert found is not None
    assert found.source is PlaceSource.SITE
    world.clock.turn(1200)
    await world.take(session(nas, Phase.GOES_ON, CELL, imei=module or "", began_at=world.clock()))
    found = await where(world)
    assert found is not None
    assert found.source is PlaceSource.CELL, "it has been silent for long"
    await world.take(box.dev_status())
    found = await where(world)
    assert found is not None
    assert found.source is PlaceSource.SITE, "it reports again"


async def test_out_of_the_gateway_the_newer_one_counts(world: World, box: Box) -> None:
    nas = await world.box("nas-1")
    await know(world, cell=PARIS)
    await world.take(box.dev_status())
    world.clock.turn(60)
    box.cards.clear()
    await world.take(box.dev_status())
    world.clock.turn(60)
    await world.take(session(nas, Phase.BEGAN, CELL))
    found = await where(world)
    assert found is not None
    assert found.ref == CELL
    world.clock.turn(60)
    box.put(1, 1)
    await world.take(session(nas, Phase.ENDED, CELL, began_at=START), box.dev_status())
    assert await past(world) == [("SITE", str(box.id)), ("CELL", CELL), ("SITE", str(box.id))]


async def test_an_installation_address_counts_where_nothing_else_is_known(world: World, box: Box) -> None:
    async with world.db.transaction() as connection:
        await places.set_address(connection, await world.sim(1), PARIS)
    world.clock.turn(1000)
    found = await where(world)
    assert found is not None
    assert (found.source, found.at, found.radius) == (PlaceSource.ADDRESS, world.clock(), 800.0)
    await world.take(box.dev_status())
    found = await where(world)
    assert found is not None
    assert found.source is PlaceSource.SITE
    async with world.db.transaction() as connection:
        await places.set_address(connection, await world.sim(1), None)
    assert await places.address(world.db, await world.sim(1)) is None


async def test_a_history_is_bounded_and_coarse(world: World) -> None:
    await world.card(1)
    nas = await world.box("nas-1")
    await know(world, cell=BERLIN, far=PARIS)
    await world.take(session(nas, Phase.BEGAN, CELL))
    for number in range(10):  # within a minute
        world.clock.turn(5)
        await world.take(session(nas, Phase.GOES_ON, FAR if number % 2 == 0 else CELL, began_at=START))
    assert len(await past(world)) == 1
    for number in range(KEPT + 20):
        world.clock.turn(61)
        await world.take(session(nas, Phase.GOES_ON, FAR if number % 2 == 0 else CELL, began_at=START))
    kept = await past(world)
    assert len(kept) == KEPT
    assert kept[0] == ("CELL", CELL)
    assert all(one != other for one, other in itertools.pairwise(kept))


async def test_places_are_forgotten_with_the_sim(world: World, box: Box) -> None:
    nas = await world.box("nas-1")
    await know(world, cell=BERLIN)
    await world.take(box.dev_status())
    world.clock.turn(60)
    await world.take(session(nas, Phase.BEGAN, CELL))
    async with world.db.transaction() as connection:
        await sites.review(connection, await world.sim(1), world.clock())
        await sims.delete(connection, [await world.sim(1)], world.clock())
    for table in ("sim_place", "place_change", "place_review"):
        assert await world.written(table) == []


async def test_old_places_are_forgotten(world: World, box: Box) -> None:
    nas = await world.box("nas-1")
    await world.card(2)
    await know(world, cell=BERLIN, far=PARIS)
    await world.take(box.dev_status())
    world.clock.turn(120)
    await world.take(session(nas, Phase.BEGAN, FAR))
    world.clock.turn(40 * 86_400)
    await world.take(session(nas, Phase.BEGAN, CELL, imsi=imsi(2), key="S2"))
    keeping = Keeping(world.db, world.vault, timedelta(days=90), timedelta(days=30), clock=world.clock)
    await keeping.turn()
    assert await past(world) == []
    assert await past(world, 2) == [("CELL", CELL)]
    found = await where(world)
    assert found is None or found.source is PlaceSource.SITE, "the cell is forgotten"
    (row,) = await world.db.fetch("select * from sim_place where imsi = $1", imsi(1))
    assert (row["cell"], row["cell_at"], row["source"], row["ref"], row["changed_at"]) == (None,) * 5
    other = await where(world, 2)
    assert other is not None
    assert other.ref == CELL


async def test_pruning_takes_a_bit_at_a_time(world: World) -> None:
    await world.db.execute(
        "insert into place_change (bucket, imsi, n, at, source, ref, latitude, longitude, radius)"
        " select 1, i::text, 0, $1, 'SITE', '1', 1, 1, 1 from generate_series(1, 25) i",
        START,
    )
    assert await places.prune(world.db, START + timedelta(days=1), 10) == 25
    assert await world.written("place_change") == []


async def test_sims_asked_for_together_are_looked_up_together(world: World, box: Box) -> None:
    await world.card(2, 3)
    await world.take(box.dev_status())
    finder = Places(world.db, world.clock)
    asked = [await world.sim(number) for number in (1, 2, 3)]
    found = await asyncio.gather(*(finder.place(sim) for sim in asked))
    assert [place is not None for place in found] == [True, False, False]


async def test_a_site_names_the_gateways_that_there_are_not(world: World, box: Box) -> None:
    assert await put_at(world, gw1=PARIS, gw9=BERLIN) == {"gw9"}
