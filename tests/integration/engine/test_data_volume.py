"""Marks of data allowances: told once a month to who subscribed, in the commit that counts the data."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.integration.engine.test_standing import SMS, session, subscribe
from tests.integration.engine.test_standing import told as all_told
from tests.support.fixtures import world, world_database
from tests.support.world import Box, World, device, imsi

from simwarden.domain.allowance import MIB
from simwarden.domain.events import CauseKind, EventType
from simwarden.domain.rules.quota import SetLimits
from simwarden.domain.session import Octets, Phase
from simwarden.northbound.device_data_volume.part import CountedVolumes

if TYPE_CHECKING:
    from datetime import datetime

    from simwarden.domain.reports import Report
    from simwarden.store.vault import Vault

__all__ = ["world", "world_database"]
HALF, MORE, MOST, OVER = "data-50-percent", "data-75-percent", "data-90-percent", "data-exceeded"
ALL = (HALF, MORE, MOST, OVER)


@pytest.fixture
async def nas(world: World) -> Box:
    """A packet gateway in the middle of a month, with a session of card 1, which may use 10 MiB."""
    world.clock.now = world.clock().replace(day=15, hour=12, minute=10)
    found = await world.box("nas")
    await world.card(1)
    await world.do(1, SetLimits(data_allowance=10))
    await world.take(used(found, 0, Phase.BEGAN))
    return found


def used(
    nas: Box, mib: float, phase: Phase = Phase.GOES_ON, key: str = "S1", *, number: int = 1, at: datetime | None = None
) -> Report:
    """A report that a session used so much from its beginning to `at`, else to now, half of it up."""
    total = int(mib * MIB)
    octets = Octets(total // 2, total - total // 2)
    begun = nas.world.clock().replace(day=15, month=3, hour=12, minute=10)
    fields = {} if at is None else {"at": at}
    return session(nas, phase, key, imsi=imsi(number), imei=device(number), octets=octets, began_at=begun, **fields)


async def use(world: World, nas: Box, mib: float, phase: Phase = Phase.GOES_ON) -> None:
    """A minute later it used so much."""
    world.clock.turn(60)
    await world.take(used(nas, mib, phase))


async def told(world: World) -> list[str]:
    """The names of the events that sinks are told, each held against CAMARA's document."""
    return [name for name, data in await all_told(world) if data == {}]


async def test_each_mark_is_told_once_by_the_report_that_reaches_it(world: World, nas: Box, vault: Vault) -> None:
    await subscribe(world, vault, *ALL)
    steps = {4: [], 5: [HALF], 5.5: [], 9.5: [MORE, MOST], 10: [], 10.1: [OVER], 30: []}
    expected: list[str] = []
    for mib, news in steps.items():
        await use(world, nas, mib)
        await use(world, nas, mib)
        expected += news
        assert await told(world) == expected, mib
    events = [event for event in await world.events(1) if event.type is EventType.DATA_USED]
    assert [event.data for event in events] == [
        {"percent": percent, "month": "2026-03", "allowance": 10} for percent in (50, 75, 90, 100)
    ]
    assert {(event.cause.kind, event.cause.source) for event in events} == {(CauseKind.REPORT, "nas")}


async def test_data_that_a_late_report_adds_counts_too(world: World, nas: Box, vault: Vault) -> None:
    await subscribe(world, vault, *ALL)
    await use(world, nas, 1, Phase.ENDED)
    assert await told(world) == []
    await use(world, nas, 12)  # what was sent before the end comes behind it
    assert await told(world) == list(ALL)


async def test_a_month_begins_anew_and_what_comes_late_from_the_last_one_is_not_told(
    world: World, nas: Box, vault: Vault
) -> None:
    await subscribe(world, vault, *ALL)
    await use(world, nas, 7)
    assert await told(world) == [HALF]
    world.clock.now = world.clock().replace(day=31, hour=23, minute=58)
    late = world.clock()
    world.clock.turn(300)
    await world.take(used(nas, 20, at=late))
    await use(world, nas, 24)
    assert await told(world) == [HALF]
    await use(world, nas, 25)
    assert await told(world) == [HALF, HALF]
    known, sim = CountedVolumes(world.db), await world.sim(1)
    assert [await known.used(sim, at) for at in (late, world.clock())] == [25 * MIB, 5 * MIB]


async def test_what_was_reached_before_is_told_by_initial_events_alone(world: World, nas: Box, vault: Vault) -> None:
    await subscribe(world, vault, SMS)  # somebody else is told how the SIM stands
    await use(world, nas, 8)
    await subscribe(world, vault, HALF, MORE, MOST, OVER)
    await subscribe(world, vault, HALF, MORE, MOST, OVER, initial=True)
    rows = await world.db.fetch("select type from delivery where event is null and type like '%.data-%' order by type")
    assert [row["type"].rpartition(".")[2] for row in rows] == [HALF, MORE]
    await use(world, nas, 8.5)
    assert await told(world) == []
    await use(world, nas, 9)
    assert await told(world) == [MOST, MOST]


async def test_another_allowance_is_told_by_what_was_used(world: World, nas: Box, vault: Vault) -> None:
    await subscribe(world, vault, *ALL)
    await use(world, nas, 8)
    assert await told(world) == [HALF, MORE]
    await world.do(1, SetLimits(data_allowance=100))
    await use(world, nas, 9)
    assert await told(world) == [HALF, MORE]
    await world.do(1, SetLimits(data_allowance=18))
    assert await told(world) == [HALF, MORE, HALF]
    cause = (await world.events(1))[-1].cause
    assert cause.kind is not CauseKind.REPORT
    await world.do(1, SetLimits())
    await use(world, nas, 50)
    assert await told(world) == [HALF, MORE, HALF]


async def test_of_two_gateways_at_once_the_second_counts_on(world: World, nas: Box, vault: Vault) -> None:
    others = [await world.box(f"nas-{n}") for n in range(4)]
    for n, other in enumerate(others):
        await world.take(used(other, 0, Phase.BEGAN, f"T{n}"))
    await subscribe(world, vault, *ALL)
    world.clock.turn(60)
    await asyncio.gather(
        *(world.another_ingest().submit(used(other, 2, key=f"T{n}")) for n, other in enumerate(others))
    )
    assert await told(world) == [HALF, MORE]
    assert await CountedVolumes(world.db).used(await world.sim(1), world.clock()) == 8 * MIB


async def test_nothing_is_looked_at_and_remembered_where_nobody_is_told(world: World, nas: Box, vault: Vault) -> None:
    await use(world, nas, 8)
    assert await world.db.fetch("select * from sim_standing") == []
    await subscribe(world, vault, SMS)
    await use(world, nas, 12)
    assert await world.count(1, EventType.DATA_USED) == 0
    rows = await world.db.fetch("select volume_month from sim_standing")
    assert [row["volume_month"] for row in rows] == [None]


async def test_what_was_never_counted_is_not_none(world: World, nas: Box) -> None:
    known = CountedVolumes(world.db)
    assert await known.used(await world.sim(1), world.clock()) is None
    await use(world, nas, 3)
    sim = await world.sim(1)
    assert await known.used(sim, world.clock()) == 3 * MIB
    world.clock.turn(40 * 86400)
    assert await known.used(sim, world.clock()) == 0
    await world.db.execute("update data_volume set account_id = 'other'")  # used before it came to this account
    assert await known.used(sim, world.clock()) is None
