"""One SIM in a slot of a SIM gateway, with a session at a NAS and one that is charged here, all at once."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from tests.integration.southbound.chf.test_charging import Core, core, pei
from tests.integration.southbound.radius.mobile import Mobile, seconds
from tests.support.fixtures import world, world_database
from tests.support.nas import TestNas
from tests.support.world import Box, device, imsi

from simwarden.domain.doubt import DoubtKind
from simwarden.domain.identifiers import full_imei
from simwarden.domain.rules.functions import FunctionState, SetFunctions
from simwarden.domain.sim import ALL_FUNCTIONS, Function, Policy, Resume
from simwarden.engine.explain import explain
from simwarden.southbound.radius.accounting import AccountingStatus
from simwarden.store import doubts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.smf import VirtualSession
    from tests.support.world import World

    from simwarden.engine.explain import PlaceView
    from simwarden.engine.ports import Driver
    from simwarden.store.gateways import CommandAccess

__all__ = ["core", "world", "world_database"]


class Everywhere:
    """Card 1, bound to device 1: in port 1 of gw1, with session S1 at pgw-1 and a PDU session of smf-1."""

    def __init__(self, core: Core, mobile: Mobile, box: Box) -> None:
        self.core, self.mobile, self.box = core, mobile, box
        self.world: World = core.world
        self.session: VirtualSession

    async def begin(self) -> None:
        """Everybody reports."""
        self.box.devices[1] = device(1)
        self.box.put(1, 1)
        await self.world.take(self.box.dev_status())
        await self.mobile.tell(AccountingStatus.START, "S1")
        assert await self.attach(1) == 201

    async def attach(self, number: int) -> int:
        """The SMF asks for a session in this device; returns the status of the answer."""
        session, reply = await self.core.smf.begin(imsi(1), pei=pei(number))
        if reply.status == 201:
            self.session = session
        return reply.status

    def driver_for(self, access: CommandAccess) -> Driver:
        """As the registry would have it."""
        if access.kind == "radius":
            return self.mobile.source.driver(access)
        return self.core.source.driver(access) if access.kind == "chf" else self.world._driver_for(access)

    async def places(self) -> dict[str, PlaceView]:
        found = await explain(self.world.db, self.world.gateways, await self.world.sim(1))
        return {place.gateway: place for place in found.places}


@pytest.fixture
async def everywhere(core: Core) -> AsyncIterator[Everywhere]:
    async with TestNas() as nas, contextlib.AsyncExitStack() as stack:
        mobile = Mobile(core.world, nas)
        await mobile.register()
        await mobile.start()
        stack.push_async_callback(mobile.source.stop)
        made = Everywhere(core, mobile, await core.world.box())
        await made.begin()
        yield made
        await core.world.stop_enforcement()


async def test_every_element_is_made_to_match_and_says_what_it_separates(everywhere: Everywhere) -> None:
    world, smf, nas = everywhere.world, everywhere.core.smf, everywhere.mobile.nas
    places = await everywhere.places()
    assert {name: place.separates for name, place in places.items()} == {
        "gw1": ["VOICE, SMS, DATA"],
        "pgw-1": ["DATA"],
        "smf-1": ["DATA"],
    }
    home = full_imei(device(1))
    assert (places["pgw-1"].device, places["smf-1"].device) == (home, home)
    enforcement = await world.start_enforcement(driver_for=everywhere.driver_for)

    # Data alone: both sessions end, and the slot, which cannot, has no say.
    await world.do(1, SetFunctions(FunctionState.CLOSED, int(Function.DATA)))
    enforcement.wake()

    async def ended() -> bool:
        return not nas.live and smf.told == [(everywhere.session.number, "ABORT_CHARGING")]

    await world.eventually(ended)
    assert (await smf.end(everywhere.session)).status == 204
    await world.eventually(lambda: world.enforced(1))
    assert everywhere.box.locked == set()

    # All of it: the slot too.
    await world.do(1, SetFunctions(FunctionState.CLOSED, int(ALL_FUNCTIONS)))
    enforcement.wake()

    async def locked() -> bool:
        return (1, 1) in everywhere.box.locked

    await world.eventually(locked)


async def test_a_thief_whom_one_element_sees_is_stopped_by_all(everywhere: Everywhere) -> None:
    world = everywhere.world
    await world.bind(1, Policy(resume=Resume.MANUAL), imei=device(1))
    await world.start_enforcement(driver_for=everywhere.driver_for)
    assert await everywhere.attach(7) == 403
    assert await world.barred(1)

    async def stopped() -> bool:
        aborted = everywhere.core.smf.told == [(everywhere.session.number, "ABORT_CHARGING")]
        return aborted and not everywhere.mobile.nas.live and (1, 1) in everywhere.box.locked

    await world.eventually(stopped)


async def test_elements_that_disagree_are_shown(everywhere: Everywhere) -> None:
    """The newest by the source's time counts; that another goes on to say something else is seen."""
    world = everywhere.world
    assert await everywhere.attach(7) == 403
    assert await world.barred(1)
    await everywhere.mobile.tell(AccountingStatus.INTERIM, "S1", device(1), at=seconds() + 1)  # it goes on
    assert await world.barred(1)
    found = [row for row in await doubts.page(world.db, None) if row["kind"] == DoubtKind.DISAGREEMENT]
    assert [(row["gateway"], row["count"], row["imei"]) for row in found] == [("pgw-1", 1, device(1))]
    seen = (await world.sim(1)).seen
    assert seen is not None
    assert seen.imei == device(7)
