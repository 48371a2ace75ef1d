"""Bars at the real osmo-hlr: set, read back, pending while a device goes on, and taken away again."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from tests.support.hlr import needs_osmo_hlr, register, source_of
from tests.support.world import device, imsi

from simwarden.domain.attachment import AttachmentStatus
from simwarden.domain.events import EventType
from simwarden.domain.rules.functions import FunctionState, SetFunctions
from simwarden.domain.sim import ALL_FUNCTIONS, Function, NetworkTarget
from simwarden.simulator.core import CoreNode, NotRegistered
from simwarden.southbound.osmo_hlr.gsup import Domain
from simwarden.southbound.osmo_hlr.vty import CIRCUIT, PACKET

if TYPE_CHECKING:
    from tests.support.hlr import Hlr
    from tests.support.world import World

    from simwarden.domain.attachment import Attachment

pytestmark = needs_osmo_hlr
HOME, OTHER = device(1), device(2)


async def attachment(world: World, element: int) -> Attachment:
    return (await world.attached(1))[NetworkTarget(element, imsi(1))]


async def test_a_stolen_card_is_refused_at_its_next_location_update_and_let_in_at_home(world: World, hlr: Hlr) -> None:
    await world.card(1, imei=HOME)
    await hlr.subscribe(imsi(1))
    id_ = await register(world, hlr)
    source = source_of(world)
    async with contextlib.AsyncExitStack() as stack:
        msc = CoreNode("MSC-1", Domain.CIRCUIT)
        stack.push_async_callback(msc.close)
        await msc.connect(hlr.address.host, hlr.address.gsup)
        await msc.register(imsi(1), HOME)
        await world.start_enforcement(driver_for=source.driver)
        await source.poller.ask_all()
        known = await attachment(world, id_)
        assert (known.groups, known.status, known.applied) == ((CIRCUIT, PACKET), AttachmentStatus.APPLIED, 0)
        assert not await world.barred(1)

        await msc.register(imsi(1), OTHER)  # the HLR takes any device
        await source.poller.ask_all()
        assert await world.barred(1)

        async def refused() -> bool:
            shown = await hlr.shows(imsi(1))
            return shown is not None and shown.off == ALL_FUNCTIONS

        await world.eventually(refused)

        async def lingers() -> bool:
            return (await attachment(world, id_)).applied == ALL_FUNCTIONS

        await world.eventually(lingers)
        now = await attachment(world, id_)
        # No SGSN ever had it, so data is off; the MSC goes on with it until the device registers again.
        assert (now.status, now.lingering, now.last_error) == (AttachmentStatus.PENDING, CIRCUIT, None)
        assert imsi(1) in msc.attached
        with pytest.raises(NotRegistered):
            await msc.register(imsi(1), OTHER)

        await msc.check_imei(imsi(1), HOME)  # `check-imei-rqd early`: before it is refused
        await source.poller.ask_all()
        assert not await world.barred(1)
        await world.eventually(lambda: world.enforced(1))
        await msc.register(imsi(1), HOME)
    assert EventType.ENFORCEMENT_FAILED not in await world.types(1)


async def test_what_the_operator_switched_off_stays_so(world: World, hlr: Hlr) -> None:
    await world.card(1)
    await hlr.subscribe(imsi(1))
    await hlr.do(f"subscriber imsi {imsi(1)} update network-access-mode ps")
    id_ = await register(world, hlr)
    source = source_of(world)
    await source.poller.ask_all()
    await world.do(1, SetFunctions(FunctionState.CLOSED, int(ALL_FUNCTIONS)))
    await world.start_enforcement(driver_for=source.driver)
    await world.eventually(lambda: world.enforced(1))
    shown = await hlr.shows(imsi(1))
    assert shown is not None
    assert shown.off == ALL_FUNCTIONS
    assert (await attachment(world, id_)).held == Function.DATA
    await world.do(1, SetFunctions(FunctionState.OPEN, int(ALL_FUNCTIONS)))
    await world.eventually(lambda: world.enforced(1))
    shown = await hlr.shows(imsi(1))
    assert shown is not None
    assert shown.off == CIRCUIT
