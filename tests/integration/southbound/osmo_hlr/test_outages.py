"""The HLR goes away and comes back; there are more SIMs than are asked for at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.support.hlr import COUNTED, needs_osmo_hlr, register, source_of
from tests.support.world import ACCOUNT, imsi

from simwarden.domain.alarm import AlarmKind
from simwarden.domain.attachment import AttachmentStatus
from simwarden.domain.rules.functions import FunctionState, SetFunctions
from simwarden.domain.sim import ALL_FUNCTIONS

if TYPE_CHECKING:
    from tests.support.hlr import Hlr
    from tests.support.world import World

pytestmark = needs_osmo_hlr


async def test_a_dead_hlr_is_an_alarm_and_is_commanded_when_it_is_back(world: World, hlr: Hlr) -> None:
    await world.card(1)
    await hlr.subscribe(imsi(1))
    await register(world, hlr)
    source = source_of(world)
    await source.poller.ask_all()
    await hlr.stop()
    await source.poller.ask_all()
    assert COUNTED["unanswered", "poll"] == 1
    await world.start_enforcement(driver_for=source.driver)
    await world.do(1, SetFunctions(FunctionState.CLOSED, int(ALL_FUNCTIONS)))

    async def alarmed() -> bool:
        query = "select count(*) from alarm where kind = $1 and cleared_at is null"
        return bool(await world.db.fetchval(query, AlarmKind.GATEWAY_UNREACHABLE))

    await world.eventually(alarmed)
    await hlr.start()
    await source.poller.ask_all()
    await world.eventually(lambda: world.enforced(1))
    shown = await hlr.shows(imsi(1))
    assert shown is not None
    assert shown.off == ALL_FUNCTIONS
    assert not await alarmed()


@pytest.mark.parametrize("more", [{}, {"account_id": ACCOUNT}])
async def test_sims_are_asked_for_a_page_at_a_time_and_those_that_the_hlr_has_are_attached(
    world: World, hlr: Hlr, more: dict[str, Any]
) -> None:
    await world.card(1, 2, 3, 4, 5)
    for number in (1, 3, 5):
        await hlr.subscribe(imsi(number))
    await register(world, hlr, **more)
    source = source_of(world, osmo_hlr_poll_rate=4, osmo_hlr_batch=1)
    asked = []
    for _ in range(3):
        await source.poller.ask_all()
        asked.append({number for number in range(1, 6) if await world.attached(number)})
    assert asked[-1] == {1, 3, 5}
    assert len(asked[0]) <= 2
    assert len(asked[1] - asked[0]) <= 2
    before = await world.written("attachment")
    for _ in range(3):
        await source.poller.ask_all()
    assert await world.written("attachment") == before


async def test_a_subscriber_that_was_deleted_counts_as_off_and_cannot_be_opened(world: World, hlr: Hlr) -> None:
    await world.card(1)
    await hlr.subscribe(imsi(1))
    await register(world, hlr)
    source = source_of(world)
    await source.poller.ask_all()
    await hlr.do(f"subscriber imsi {imsi(1)} delete")
    await world.start_enforcement(driver_for=source.driver)
    await world.do(1, SetFunctions(FunctionState.CLOSED, int(ALL_FUNCTIONS)))
    await world.eventually(lambda: world.enforced(1))
    await world.do(1, SetFunctions(FunctionState.OPEN, int(ALL_FUNCTIONS)))

    async def failed() -> bool:
        return all(item.status is AttachmentStatus.FAILED for item in (await world.attached(1)).values())

    await world.eventually(failed)
    (item,) = (await world.attached(1)).values()
    assert item.last_error is not None
    assert "No subscriber" in item.last_error
    await hlr.subscribe(imsi(1))
    await world.eventually(lambda: world.enforced(1))
