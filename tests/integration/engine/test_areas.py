"""Area limits on PostgreSQL: places that reach the rule, named areas whose change moves all who share them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.support.patience import PATIENCE
from tests.support.world import ACCOUNT, START, imsi

from simwarden.domain.area import Circle, InvalidArea, Polygon, Sites
from simwarden.domain.errors import AlreadyExists, AreaNotFound, IncompatibleState
from simwarden.domain.events import Cause, CauseKind, EventType
from simwarden.domain.locating import Site
from simwarden.domain.place import Place, PlaceSource
from simwarden.domain.rules.area import LimitArea, UnlimitArea
from simwarden.domain.sim import BarCause, OnUnknown, Policy
from simwarden.engine import areas
from simwarden.engine.areas import AreaFollower, AreaInUse, NamedAreas, TooManyAreas
from simwarden.engine.expiry import Expiry
from simwarden.engine.unit_of_work import Outcome
from simwarden.store.sites import set_sites

if TYPE_CHECKING:
    from tests.support.world import World

DEPOT = Circle(52.5, 13.4, 10_000)
TOWN = Polygon((((9.0, 52.0), (9.2, 52.0), (9.2, 52.1), (9.0, 52.1), (9.0, 52.0)),))
SEEN = Cause(CauseKind.REPORT, "gw1", START)
WAITING = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"


def place(world: World, latitude: float = 52.5, longitude: float = 13.4, ref: str = "1") -> Place:
    return Place(latitude, longitude, 500, world.clock(), PlaceSource.SITE, ref)


async def see(world: World, where: Place | None, *numbers: int) -> Outcome:
    """As the engine does when SIMs are somewhere else than before."""
    world.clock.turn(1)
    async with world.db.transaction() as connection:
        imsis = [imsi(number) for number in numbers]
        return await areas.judge(connection, dict.fromkeys(imsis, where), world.clock(), dict.fromkeys(imsis, SEEN))


async def state(world: World, number: int = 1) -> str | None:
    found = (await world.sim(number)).area
    return None if found is None else found.state


async def barred(world: World, number: int = 1) -> bool:
    return (await world.sim(number)).bar(BarCause.AREA_EXIT) is not None


@pytest.fixture
def named(world: World) -> NamedAreas:
    return NamedAreas(world.db, most=5, clock=world.clock)


@pytest.mark.parametrize("shape", [DEPOT, Sites((1,))], ids=["circle", "sites"])
async def test_a_sim_that_leaves_is_barred_in_the_commit_that_sees_it(world: World, shape: Circle | Sites) -> None:
    await world.card(1, 2)
    await world.do(1, LimitArea(shape))
    assert (await see(world, place(world), 1, 2)).events == 0
    assert await state(world) == "INSIDE"
    outcome = await see(world, place(world, 53.0, ref="2"), 1, 2)
    assert (outcome.changed, outcome.events) == (1, 2)
    assert (await state(world), await barred(world), await barred(world, 2)) == ("OUTSIDE", True, False)
    stored = (await world.sim(1)).area
    assert stored is not None
    assert (stored.area, stored.place and stored.place.ref) == (shape, "2")
    await see(world, place(world), 1)
    assert (await state(world), await barred(world)) == ("INSIDE", False)
    types = await world.types(1)
    assert types[-5:] == [
        EventType.AREA_LIMITED,
        EventType.AREA_CHANGED,
        EventType.BAR_RAISED,
        EventType.AREA_CHANGED,
        EventType.BAR_LIFTED,
    ]
    await world.do(1, UnlimitArea())
    assert await state(world) is None


async def test_a_place_that_nobody_knows_is_unknown(world: World) -> None:
    await world.card(1)
    await world.do(1, LimitArea(DEPOT, policy=Policy(unknown=OnUnknown.DENY)))
    await see(world, place(world), 1)
    await see(world, None, 1)
    assert (await state(world), await barred(world)) == ("UNKNOWN", True)
    await see(world, place(world), 1)
    assert (await state(world), await barred(world)) == ("INSIDE", False)


async def test_the_locks_follow(world: World) -> None:
    await world.start_enforcement()
    box = await world.box()
    await world.card(1)
    box.put(1, 1)
    await world.take(box.dev_status())
    await world.do(1, LimitArea(DEPOT))
    await see(world, place(world, 54.0), 1)
    await world.eventually(lambda: world.enforced(1))
    assert box.locked == {(1, 1)}
    await see(world, place(world), 1)
    await world.eventually(lambda: world.enforced(1))
    assert box.locked == set()


async def test_a_change_that_has_to_last_counts_by_time_in_another_process(world: World) -> None:
    await world.card(1)
    await world.do(1, LimitArea(DEPOT, dwell=60))
    await see(world, place(world), 1)
    await see(world, place(world, 53.0), 1)
    assert (await state(world), await barred(world)) == ("INSIDE", False)
    expiry = Expiry(world.db, clock=world.clock)
    await expiry.turn()
    assert await state(world) == "INSIDE"
    world.clock.turn(60)
    await expiry.turn()
    assert (await state(world), await barred(world)) == ("OUTSIDE", True)
    assert (await world.sim(1)).due_at is None


async def test_named_areas_are_of_one_account(world: World, named: NamedAreas) -> None:
    made = await named.add(ACCOUNT, "depot", TOWN)
    assert (made.shape, made.version, made.behind) == (TOWN, 1, False)
    foreign = await named.add("other", "depot", DEPOT)
    only = await named.add("other", "yard", DEPOT)
    with pytest.raises(AlreadyExists):
        await named.add(ACCOUNT, "depot", DEPOT)
    with pytest.raises(InvalidArea):
        await named.add(ACCOUNT, "nothing", Circle(0, 0, 0))
    assert (await named.get(made.id), (await named.get("yard")).id) == (made, only.id)
    with pytest.raises(IncompatibleState):
        await named.get("depot")
    for unknown in ("nowhere", "a\x00b"):
        with pytest.raises(AreaNotFound):
            await named.get(unknown)
    assert [area.id for area in await named.page(ACCOUNT, ("", ""), 9)] == [made.id]
    assert [area.name for area in await named.page(None, ("depot", max(made.id, foreign.id)), 9)] == ["yard"]
    await world.card(1)
    with pytest.raises(AreaNotFound):
        await world.do(1, LimitArea(named="yard"))
    await world.do(1, LimitArea(named="depot"))
    stored = (await world.sim(1)).area
    assert stored is not None
    assert (stored.area, stored.id, stored.name, stored.version) == (TOWN, made.id, "depot", 1)


async def test_an_account_has_so_many_areas_and_no_more(world: World, named: NamedAreas) -> None:
    results = await asyncio.gather(*(named.add(ACCOUNT, f"a{n}", DEPOT) for n in range(8)), return_exceptions=True)
    assert sum(isinstance(each, TooManyAreas) for each in results) == 3
    assert (await named.add("other", "a0", DEPOT)).version == 1


async def test_a_change_moves_all_who_share_the_area_by_batches_and_after_a_restart(
    world: World, named: NamedAreas, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(areas, "AT_ONCE", 4)
    made = await named.add(ACCOUNT, "depot", DEPOT)
    numbers = range(1, 11)
    await world.card(*numbers, 11)
    for number in numbers:
        await world.do(number, LimitArea(named="depot"))
    await world.do(11, LimitArea(DEPOT))
    await see(world, place(world), *numbers, 11)
    changed = await named.change(made.id, shape=TOWN)
    assert (changed.version, changed.behind) == (2, True)
    outcomes: list[Outcome] = []
    first = AreaFollower(world.db, committed=outcomes.append, clock=world.clock)
    assert await first.turn() == 0
    assert sum([await barred(world, number) for number in numbers]) == 4
    # Another process, that knows of nothing but what is stored, and both at once.
    second = AreaFollower(world.db, committed=outcomes.append, clock=world.clock)
    for _ in range(6):
        await asyncio.gather(first.turn(), second.turn())
    assert [await barred(world, number) for number in numbers] == [True] * 10
    assert not await barred(world, 11), "it has the same area as before, but not that one"
    assert sum(outcome.events for outcome in outcomes) == 3 * 10
    assert not (await named.get(made.id)).behind
    assert await first.turn() == areas.POLL
    assert await named.sims(made) == 10
    assert await world.count(1, EventType.AREA_LIMITED) == 2
    renamed = await named.change(made.id, name="court")
    assert (renamed.name, renamed.version) == ("court", 3)
    for _ in range(5):
        await first.turn()
    stored = (await world.sim(1)).area
    assert stored is not None
    assert (stored.name, stored.version) == ("court", 3)
    assert await world.count(1, EventType.AREA_LIMITED) == 2
    assert await named.change(made.id, name="court") == (await named.get(made.id)), "nothing to change"


async def test_an_area_in_use_is_not_deleted(world: World, named: NamedAreas) -> None:
    made = await named.add(ACCOUNT, "depot", DEPOT)
    await world.card(1)
    await world.do(1, LimitArea(named="depot"))
    with pytest.raises(AreaInUse, match="1 SIMs"):
        await named.delete(made.id)
    await world.do(1, UnlimitArea())
    await named.delete(made.id)
    for vain in (named.delete(made.id), named.change(made.id, name="x")):
        with pytest.raises(AreaNotFound):
            await vain


async def test_a_limit_judges_at_once_where_the_sim_is(world: World, named: NamedAreas) -> None:
    box = await world.box()
    await world.card(1)
    box.put(1, 1)
    async with world.db.transaction() as connection:
        await set_sites(connection, {"gw1": Site(52.5, 13.4, 500)}, world.clock())
    await world.take(box.dev_status())
    await named.add(ACCOUNT, "town", TOWN)
    await world.do(1, LimitArea(named="town"))
    assert (await state(world), await barred(world)) == ("OUTSIDE", True)
    await world.do(1, LimitArea(around=3000))
    stored = (await world.sim(1)).area
    assert stored is not None
    assert (stored.area, stored.state, await barred(world)) == (Circle(52.5, 13.4, 3000), "INSIDE", False)


async def test_a_sim_that_is_limited_while_the_area_is_redrawn_follows_too(world: World, named: NamedAreas) -> None:
    """The limit is written with the old shape, but commits before the new one does: so the new one finds it."""
    made = await named.add(ACCOUNT, "depot", DEPOT)
    await world.card(1)
    async with world.db.transaction() as held:
        await held.execute("select 1 from sim where imsi = $1 for update", imsi(1))
        async with world.db.transaction() as other:
            # as the command has it between reading the area and its commit
            await other.fetch("select 1 from area where id = $1 for share", made.id)
            changing = asyncio.create_task(named.change(made.id, shape=TOWN))
            async with asyncio.timeout(PATIENCE):
                while not await world.db.fetchval(WAITING):  # noqa: ASYNC110 - the database tells nobody
                    await asyncio.sleep(0.01)
            assert not changing.done()
        await changing
    await world.do(1, LimitArea(named="depot"))
    stored = (await world.sim(1)).area
    assert stored is not None
    assert stored.version == 2


async def test_deciding_about_sims_without_limits_writes_nothing(world: World) -> None:
    await world.card(1, 2)
    before = await world.written("sim")
    assert await see(world, place(world), 1, 2) == Outcome()
    assert await world.written("sim") == before
