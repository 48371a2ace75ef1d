"""The GSUP port between simulated MSC and SGSN and the real osmo-hlr, on a real database."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from tests.support.hlr import COUNTED, needs_osmo_hlr, register, source_of
from tests.support.world import device, imsi

from simwarden.demo.processes import free_port
from simwarden.domain.attachment import AttachmentStatus
from simwarden.domain.events import EventType
from simwarden.domain.sim import ALL_FUNCTIONS, NetworkTarget
from simwarden.engine.explain import explain
from simwarden.simulator.core import CoreNode, NotRegistered
from simwarden.southbound.osmo_hlr import gsup
from simwarden.southbound.osmo_hlr.gsup import Domain

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.hlr import Hlr
    from tests.support.world import World

    from simwarden.domain.attachment import Attachment
    from simwarden.southbound.osmo_hlr.source import OsmoHlrSource

pytestmark = needs_osmo_hlr
HOME, OTHER = device(1), device(2)


class Network:
    """An MSC and an SGSN before the proxy before the HLR. Card 1 is bound to HOME."""

    def __init__(self, world: World, hlr: Hlr, source: OsmoHlrSource, id_: int) -> None:
        self.world = world
        self.hlr = hlr
        self.source = source
        self.id = id_
        self.msc = CoreNode("MSC-1", Domain.CIRCUIT)
        self.sgsn = CoreNode("SGSN-1", Domain.PACKET)

    async def attachment(self) -> Attachment:
        return (await self.world.attached(1))[NetworkTarget(self.id, imsi(1))]

    async def is_attached(self) -> bool:
        return NetworkTarget(self.id, imsi(1)) in await self.world.attached(1)


@pytest.fixture
async def network(world: World, hlr: Hlr) -> AsyncIterator[Network]:
    await world.card(1, imei=HOME)
    await hlr.subscribe(imsi(1))
    id_ = await register(world, hlr, source_addresses=["127.0.0.1/32"])
    source = source_of(world, osmo_hlr_gsup_port=free_port(), osmo_hlr_poll_rate=0)
    await source.start()
    found = Network(world, hlr, source, id_)
    async with contextlib.AsyncExitStack() as stack:
        for node in (found.msc, found.sgsn):
            stack.push_async_callback(node.close)
            await node.connect("127.0.0.1", source.proxy.port)
        await world.start_enforcement(driver_for=source.driver)
        yield found
        await world.stop_enforcement()
    await source.stop()


async def test_a_stolen_card_is_refused_and_cancelled_and_works_again_at_home(network: Network) -> None:
    world, msc, sgsn = network.world, network.msc, network.sgsn
    await msc.register(imsi(1), HOME)
    await sgsn.register(imsi(1))
    await world.eventually(network.is_attached)
    assert (await world.sim(1)).seen is not None
    assert not await world.barred(1)

    with pytest.raises(NotRegistered):
        await msc.check_imei(imsi(1), OTHER)
    assert await world.barred(1)
    await world.eventually(lambda: world.enforced(1))
    assert set(msc.cancelled) == set(sgsn.cancelled) == {imsi(1)}  # on a busy machine more than once
    shown = await network.hlr.shows(imsi(1))
    assert shown is not None
    assert (shown.off, shown.imei) == (ALL_FUNCTIONS, HOME)  # the wrong device never came as far as the HLR
    for attempt in (msc.register(imsi(1), OTHER), sgsn.register(imsi(1))):
        with pytest.raises(NotRegistered):
            await attempt
    why = await explain(world.db, world.gateways, await world.sim(1))
    (place,) = why.places
    assert (place.gateway, place.separates, place.switched_off, place.goes_on) == (
        "hlr-1",
        ["VOICE, SMS", "DATA"],
        ["VOICE", "SMS", "DATA"],
        [],
    )
    assert [step.cause["message"] for step in why.chain if step.type == "ENFORCEMENT_APPLIED"] == ["location-cancel"]

    await msc.check_imei(imsi(1), HOME)
    assert not await world.barred(1)
    await world.eventually(lambda: world.enforced(1))
    await msc.register(imsi(1), HOME)
    await sgsn.register(imsi(1))
    assert await world.count(1, EventType.ENFORCEMENT_FAILED) == 0

    # Once more: what was shown of the first time proves nothing now.
    before = len(msc.cancelled), len(sgsn.cancelled)
    with pytest.raises(NotRegistered):
        await msc.check_imei(imsi(1), OTHER)
    await world.eventually(lambda: world.enforced(1))
    assert len(msc.cancelled) > before[0]
    assert len(sgsn.cancelled) > before[1]


async def test_a_peer_that_does_not_answer_leaves_the_bar_pending_until_it_does(network: Network) -> None:
    world, msc = network.world, network.msc
    await msc.register(imsi(1), HOME)
    await world.eventually(network.is_attached)
    msc.deaf = True
    with pytest.raises(NotRegistered):
        await msc.check_imei(imsi(1), OTHER)

    async def goes_on() -> bool:
        return bool((await network.attachment()).lingering)

    await world.eventually(goes_on)
    assert (await network.attachment()).status is AttachmentStatus.PENDING
    await msc.close()  # and the MSC starts anew, without a word to the HLR yet
    again = CoreNode("MSC-1", Domain.CIRCUIT)
    await again.connect("127.0.0.1", network.source.proxy.port)
    network.msc = again
    await world.eventually(lambda: world.enforced(1))
    assert set(again.cancelled) == {imsi(1)}
    await again.close()


async def test_who_is_refused_by_the_hlr_is_served_by_nobody(network: Network) -> None:
    world, msc = network.world, network.msc
    await msc.register(imsi(1), HOME)
    await world.eventually(network.is_attached)
    msc.deaf = True
    with pytest.raises(NotRegistered):
        await msc.register(imsi(1), OTHER)

    async def refuses() -> bool:
        shown = await network.hlr.shows(imsi(1))
        return shown is not None and shown.off == ALL_FUNCTIONS

    await world.eventually(refuses)
    with pytest.raises(NotRegistered):
        await msc.register(imsi(1))
    await world.eventually(lambda: world.enforced(1))


async def test_what_is_not_asked_about_devices_passes_as_it_is(network: Network) -> None:
    """Subscribers that Simwarden does not know, and messages that it does not read."""
    await network.hlr.subscribe(imsi(9))
    await network.msc.register(imsi(9), OTHER)
    shown = await network.hlr.shows(imsi(9))
    assert shown is not None
    assert (shown.imei, shown.vlr) == (OTHER, "MSC-1")
    with pytest.raises(NotRegistered) as refused:
        await network.msc.register(imsi(8))
    assert refused.value.cause == 2  # IMSI unknown, in the HLR's words


async def test_peers_of_an_element_that_is_deleted_are_hung_up(network: Network) -> None:
    assert network.msc.is_connected
    await network.world.db.execute("update gateway set source_addresses = '{192.0.2.0/24}' where id = $1", network.id)
    await network.source.proxy._book.turn()
    await network.source.proxy.turn()

    async def hung_up() -> bool:
        return not network.msc.is_connected and not network.sgsn.is_connected

    await network.world.eventually(hung_up)
    assert COUNTED["element_changed", "gsup"] == 2


async def test_a_second_peer_of_one_name_is_hung_up_while_the_first_answers(network: Network) -> None:
    port = network.source.proxy.port
    other = CoreNode("MSC-1", Domain.CIRCUIT)
    await other.connect("127.0.0.1", port)

    async def hung_up() -> bool:
        return not other.is_connected

    await network.world.eventually(hung_up)
    await other.close()
    assert COUNTED["name_clash", "gsup"] == 1
    await network.msc.register(imsi(1), HOME)
    silent = CoreNode("MSC-2", Domain.CIRCUIT)
    await silent.connect("127.0.0.1", port)
    silent.write(gsup.HEADER.pack(0xFFFF, gsup.OSMO))  # a frame of 64 kB: hung up before it comes

    async def refused() -> bool:
        return not silent.is_connected

    await network.world.eventually(refused)
    await silent.close()
    assert network.msc.is_connected
