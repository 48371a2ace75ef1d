"""One SIM in a slot of a SIM gateway, with a session at a NAS, and a subscriber of the real osmo-hlr, all at once."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import aiohttp
import pytest
from tests.integration.southbound.radius.mobile import Mobile, seconds
from tests.support.hlr import Hlr, needs_osmo_hlr, register, source_of
from tests.support.nas import TestNas
from tests.support.patience import PATIENCE
from tests.support.world import device, imsi

from simwarden.domain.doubt import DoubtKind
from simwarden.domain.identifiers import full_imei
from simwarden.domain.rules.functions import FunctionState, SetFunctions
from simwarden.domain.sim import ALL_FUNCTIONS, Function, Policy, Resume
from simwarden.engine.explain import explain
from simwarden.simulator.core import CoreNode
from simwarden.simulator.fleet import FleetPlan, build_fleet
from simwarden.southbound.ejoin.network import EjoinNetwork
from simwarden.southbound.osmo_hlr.gsup import Domain
from simwarden.southbound.osmo_hlr.vty import CIRCUIT
from simwarden.southbound.radius.accounting import AccountingStatus
from simwarden.store import doubts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.world import World

    from simwarden.engine.explain import Explanation, PlaceView
    from simwarden.engine.ports import Driver
    from simwarden.simulator.server import GatewayServer
    from simwarden.southbound.osmo_hlr.source import OsmoHlrSource
    from simwarden.store.gateways import CommandAccess

pytestmark = needs_osmo_hlr
START, INTERIM = AccountingStatus.START, AccountingStatus.INTERIM


class Everywhere:
    """Card 1 in port 1 of gw1, whose module it is bound to; with session S1 at pgw-1; registered at MSC-1 of hlr-1."""

    def __init__(
        self, world: World, gateway: GatewayServer, mobile: Mobile, hlr: Hlr, source: OsmoHlrSource, msc: CoreNode
    ) -> None:
        self.world, self.gateway, self.mobile = world, gateway, mobile
        self.hlr, self.source, self.msc = hlr, source, msc
        self.session = aiohttp.ClientSession()
        self.home = ""

    async def begin(self) -> None:
        """Everybody reports."""
        report = await self.ejoin(await self.world.gateways.access(await self.world.gateways.id_of("gw1"))).observe()
        (port,) = [port for port in report.ports if port.imsi == imsi(1)]
        assert port.imei is not None
        self.home = port.imei
        await self.world.card(1, imei=self.home)
        await self.world.take(report)
        await self.mobile.tell(START, "S1", self.home)
        await self.msc.register(imsi(1), self.home)
        await self.source.poller.ask_all()

    def ejoin(self, access: CommandAccess) -> EjoinNetwork:
        """Commands to gw1, over HTTP."""
        return EjoinNetwork(self.session, access, PATIENCE)

    def driver_for(self, access: CommandAccess) -> Driver:
        """As the registry would have it."""
        if access.kind == "ejoin":
            return self.ejoin(access)
        return self.mobile.source.driver(access) if access.kind == "radius" else self.source.driver(access)

    async def explained(self) -> Explanation:
        return await explain(self.world.db, self.world.gateways, await self.world.sim(1))

    async def places(self) -> dict[str, PlaceView]:
        return {place.gateway: place for place in (await self.explained()).places}

    async def enforcement(self) -> dict[str, str | None]:
        found = (await self.explained()).functions
        return {each.function: each.enforcement and str(each.enforcement) for each in found}

    @property
    def is_locked(self) -> bool:
        """At the gateway."""
        return bool(self.gateway.gateway.locked())

    async def off(self) -> Function | None:
        """At the HLR."""
        shown = await self.hlr.shows(imsi(1))
        return None if shown is None else shown.off


@pytest.fixture
async def everywhere(world: World, hlr: Hlr, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Everywhere]:
    fleet = build_fleet(FleetPlan(gateways=1, ports=1, slots=1, interval=0, first_card=1))
    gateway = fleet.server("gw1")
    assert gateway.gateway.find(imsi(1)) is not None
    await hlr.subscribe(imsi(1))
    await register(world, hlr)
    async with TestNas() as nas, contextlib.AsyncExitStack() as stack:
        await fleet.start()
        stack.push_async_callback(fleet.close)
        login = FleetPlan()
        await world.gateways.add(
            "gw1",
            kind="ejoin",
            command_url=gateway.command_url,
            username=login.username,
            password=login.password,
        )
        mobile = Mobile(world, nas)
        await mobile.register()
        await mobile.start()
        stack.push_async_callback(mobile.source.stop)
        msc = CoreNode("MSC-1", Domain.CIRCUIT)
        stack.push_async_callback(msc.close)
        await msc.connect(hlr.address.host, hlr.address.gsup)
        made = Everywhere(world, gateway, mobile, hlr, source_of(world), msc)
        stack.push_async_callback(made.session.close)
        await made.begin()
        monkeypatch.setattr(world, "_driver_for", made.driver_for)  # also for questions about doubts
        await world.start_enforcement()
        yield made
        await world.stop_enforcement()


async def test_every_element_is_made_to_match_and_says_what_it_separates(everywhere: Everywhere) -> None:
    world = everywhere.world
    places = await everywhere.places()
    assert {name: place.separates for name, place in places.items()} == {
        "gw1": ["VOICE, SMS, DATA"],
        "pgw-1": ["DATA"],
        "hlr-1": ["VOICE, SMS", "DATA"],
    }
    home = full_imei(everywhere.home)
    assert {name: place.device for name, place in places.items()} == {"gw1": None, "pgw-1": home, "hlr-1": home}

    # Data alone: the slot cannot, and has no say, because the NAS and the HLR can.
    await world.do(1, SetFunctions(FunctionState.CLOSED, int(Function.DATA)))
    await world.eventually(lambda: world.enforced(1))
    assert await everywhere.enforcement() == {"VOICE": "APPLIED", "SMS": "APPLIED", "DATA": "APPLIED"}
    assert (everywhere.is_locked, everywhere.mobile.nas.live, await everywhere.off()) == (False, set(), Function.DATA)
    # Voice alone: none can.
    await world.do(1, SetFunctions(FunctionState.CLOSED, int(Function.VOICE)))
    assert (await everywhere.enforcement())["VOICE"] == "NOT_SEPARABLE"
    assert await everywhere.off() == Function.DATA

    # Everything: the slot is locked, the HLR refuses, and the MSC goes on.
    await world.do(1, SetFunctions(FunctionState.CLOSED, int(ALL_FUNCTIONS)))

    async def all_but_the_msc() -> bool:
        places = await everywhere.places()
        return places["gw1"].status == "APPLIED" and places["hlr-1"].goes_on == ["VOICE", "SMS"]

    await world.eventually(all_but_the_msc)
    assert await everywhere.enforcement() == {"VOICE": "PENDING", "SMS": "PENDING", "DATA": "APPLIED"}
    assert (everywhere.is_locked, await everywhere.off()) == (True, ALL_FUNCTIONS)

    await world.do(1, SetFunctions(FunctionState.OPEN, int(ALL_FUNCTIONS)))
    await world.eventually(lambda: world.enforced(1))
    assert (everywhere.is_locked, await everywhere.off()) == (False, Function(0))


async def test_a_thief_is_stopped_everywhere_whoever_sees_him(everywhere: Everywhere) -> None:
    world, other = everywhere.world, device(7)
    # By hand: the gateway, which shows the card in its own device, would lift the bar again.
    await world.bind(1, Policy(resume=Resume.MANUAL), imei=everywhere.home)
    await everywhere.mobile.tell(START, "S2", other, at=seconds() + 1)
    assert await world.barred(1)

    async def stopped() -> bool:
        places = await everywhere.places()
        return everywhere.is_locked and not everywhere.mobile.nas.live and bool(places["hlr-1"].goes_on)

    await world.eventually(stopped)
    assert await everywhere.off() == CIRCUIT | Function.DATA


async def disagreements(world: World) -> list[tuple[str, int, str | None]]:
    """As the operator lists them: gateway, how many, device."""
    found = await doubts.page(world.db, None)
    return [(row["gateway"], row["count"], row["imei"]) for row in found if row["kind"] == DoubtKind.DISAGREEMENT]


async def test_elements_that_disagree_are_shown(everywhere: Everywhere) -> None:
    """The newest by the source's time counts, whoever says it; that they say different things is seen."""
    world, other = everywhere.world, device(7)
    await world.bind(1, Policy(), imei=everywhere.home)
    await world.stop_enforcement()
    await everywhere.mobile.tell(START, "S2", other, at=seconds() + 1)
    assert await world.barred(1)
    await everywhere.msc.register(imsi(1), device(8))
    await everywhere.source.poller.ask_all()
    seen = (await world.sim(1)).seen
    assert seen is not None
    assert seen.imei == device(8)
    await everywhere.mobile.tell(INTERIM, "S1", everywhere.home, at=seconds() + 1)  # it goes on, in the first device
    assert await disagreements(world) == [("pgw-1", 1, everywhere.home)]
    assert await world.barred(1)
    await everywhere.mobile.tell(START, "S3", other, at=seconds() + 1)
    assert await disagreements(world) == [("pgw-1", 2, other)]
    changes = [step for step in (await everywhere.explained()).history if step.type == "DEVICE_CHANGED"]
    assert changes[-1].data["against"] == "hlr-1"
    assert sum(tally.doubts.get("DISAGREEMENT", 0) for tally in world.tallies) == 2
    places = await everywhere.places()
    assert (places["pgw-1"].device, places["hlr-1"].device) == (full_imei(other), full_imei(device(8)))
