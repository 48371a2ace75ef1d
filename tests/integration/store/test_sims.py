"""SIMs as they are stored and found."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from tests.support.fixtures import world, world_database
from tests.support.patience import PATIENCE
from tests.support.world import ACCOUNT, CALLER, World, device, iccid, imsi

from simwarden.domain.identifiers import bucket_of
from simwarden.domain.sim import IdentifierKind, OnMismatch, OnUnknown, Policy, Resume, SimRef
from simwarden.engine import provision
from simwarden.store import fleet, listing, risk, sims
from simwarden.store.listing import SimFilter

if TYPE_CHECKING:
    from simwarden.domain.sim import Sim

__all__ = ["world", "world_database"]


@pytest.fixture
async def sim(world: World) -> Sim:
    """A SIM with every name."""
    made = provision.new_sim(ACCOUNT, imsi=imsi(1), iccid=iccid(1), msisdn="+8613800000001", nai="Meter.1@Example.com")
    return await provision.add(world.db, made, CALLER)


NAMES = [
    SimRef(IdentifierKind.IMSI, imsi(1)),
    SimRef(IdentifierKind.ICCID, iccid(1)),
    SimRef(IdentifierKind.MSISDN, "+8613800000001"),
    SimRef(IdentifierKind.NAI, "meter.1@example.com"),
]


async def test_a_sim_is_found_by_every_name_of_its_owner_only(world: World, sim: Sim) -> None:
    for name in NAMES:
        found = await world.sims.find(ACCOUNT, name)
        assert found is not None
        assert (found.imsi, found.bucket, found.account_id) == (sim.imsi, bucket_of(imsi(1)), ACCOUNT)
        assert await world.sims.find("other", name) is None, "a foreign SIM is an unknown one"
    for name in NAMES:
        assert await world.sims.find(ACCOUNT, SimRef(name.kind, name.value + "0")) is None
    assert await world.sims.find(ACCOUNT, SimRef(IdentifierKind.NAI, imsi(1))) is None, "kinds do not mix"


async def test_a_line_break_in_a_name_finds_nobody_and_hides_nobody(world: World, sim: Sim) -> None:
    broken = [SimRef(IdentifierKind.NAI, text) for text in ("a@b\n", "\n", f"x\n{sim.nai}", "")]
    found = await asyncio.gather(*(world.sims.find(ACCOUNT, ref) for ref in (*broken, NAMES[3], *broken, NAMES[0])))
    assert [one and one.imsi for one in found] == [None] * 4 + [sim.imsi] + [None] * 4 + [sim.imsi]


async def test_many_lookups_at_once_are_few_statements(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.card(*range(1, 51))
    fetch, statements = world.db.fetch, []

    async def counted(query: str, *args: object) -> object:
        statements.append(query)
        return await fetch(query, *args)

    monkeypatch.setattr(world.db, "fetch", counted)
    refs = [SimRef(IdentifierKind.ICCID, iccid(number % 60)) for number in range(300)]
    found = await asyncio.gather(*(world.sims.find(ACCOUNT, ref) for ref in refs))
    for number, one in enumerate(found):
        assert (one.imsi if one else None) == (imsi(number % 60) if 1 <= number % 60 <= 50 else None)
    assert len(statements) <= 2


@pytest.mark.parametrize("text", [imsi(1), iccid(1), "8613800000001", "+8613800000001", "meter.1@example.com"])
async def test_the_operator_finds_by_any_text(world: World, sim: Sim, text: str) -> None:
    found = await world.sims.find_any(text)
    assert found is not None
    assert found.imsi == sim.imsi
    assert await world.sims.find_any(text + "9") is None


@pytest.mark.usefixtures("sim")
async def test_everything_decided_comes_back_as_it_was_written(world: World) -> None:
    box = await world.box()
    box.put(1, 1)
    await world.take(box.dev_status())
    for target in ({"imei": device(5)}, {"tac": "35368953"}, {"imeis": (device(5), device(6))}, {"first_seen": True}):
        for policy in (Policy(), Policy(OnMismatch.ALERT, OnUnknown.DENY, Resume.MANUAL)):
            decision = await world.bind(1, policy, **target)
            assert await world.sim(1) == decision.sim
    events = await world.events(1)
    assert events[-1].cause == CALLER
    assert events[-1].data["kind"] == "IMEI"


async def test_pages_go_on_where_they_ended(world: World) -> None:
    await world.card(*range(1, 8))
    await world.bind(3, imei=device(5))
    first = await world.sims.page(limit=3)
    second = await world.sims.page(limit=3, after=first[-1].imsi)
    rest = await world.sims.page(limit=3, after=second[-1].imsi)
    assert [one.imsi for one in (*first, *second, *rest)] == [imsi(number) for number in range(1, 8)]
    assert [one.imsi for one in await world.sims.page(state="LOCKED")] == [imsi(3)]
    assert await world.sims.page(account_id="other") == []


@pytest.mark.usefixtures("sim")
async def test_the_newest_events_come_oldest_first(world: World) -> None:
    for number in range(5):
        await world.bind(1, imei=device(number + 1))
    sim = await world.sim(1)
    assert [event.n for event in await world.sims.events(sim, limit=3)] == [4, 5, 6]


async def test_sims_are_locked_in_one_order_whoever_asks(world: World) -> None:
    numbers = range(1, 41)
    await world.card(*numbers)

    async def lock_all(order: list[int]) -> None:
        for _ in range(10):
            async with world.db.transaction() as connection:
                found = await sims.lock(connection, [imsi(number) for number in order])
                assert len(found) == 40
                await asyncio.sleep(0)

    await asyncio.wait_for(asyncio.gather(lock_all(list(numbers)), lock_all(list(numbers)[::-1])), PATIENCE)
    async with world.db.transaction() as connection:
        assert await sims.lock(connection, [imsi(99)]) == {}
        assert await sims.lock(connection, []) == {}


async def test_what_most_sims_have_is_stored_as_null_and_read_as_where_it_is_written_out(world: World) -> None:
    await world.card(1, 2)
    state = "coalesce(state, lifecycle, bars::text, closed_apns::text, tags::text) is null"
    assert await world.db.fetchval(f"select count(*) from sim where {state}") == 2
    await world.db.execute(
        "update sim set state = 'NEUTRAL', lifecycle = 'ACTIVE', bars = '[]', closed_apns = '[]', tags = '{}'"
        " where imsi = $1",
        imsi(2),
    )
    both = {imsi(1), imsi(2)}
    for wanted in (SimFilter(), SimFilter(state="NEUTRAL"), SimFilter(lifecycle="ACTIVE"), SimFilter(barred=False)):
        found, _ = await listing.page(world.db, wanted, limit=5)
        assert {each.sim.imsi for each in found} == both, wanted
        assert {each.tags for each in found} == {()}
    assert {each.imsi for each in await world.sims.page(state="NEUTRAL")} == both
    assert await fleet.count_sims(world.db, 0, 256) == Counter({("NEUTRAL", "ACTIVE", False): 2})
    async with world.db.transaction() as connection:
        await sims.save(connection, list((await sims.lock(connection, sorted(both))).values()))
        await risk.tag(connection, [(name, "odd") for name in sorted(both) * 2])
    found, _ = await listing.page(world.db, SimFilter(tags=("odd",)), limit=5)
    assert [each.tags for each in found] == [("odd",)] * 2
    for each in found:
        assert await listing.set_tags(world.db, each.sim, [])
    assert await world.db.fetchval(f"select count(*) from sim where {state}") == 2
