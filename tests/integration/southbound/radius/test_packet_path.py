"""Real packets between network namespaces, which pass while a session lives; FreeRADIUS stands between, where it is."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

import pytest
from tests.integration.southbound.radius.mobile import HOME, OTHER, Mobile
from tests.integration.southbound.radius.test_freeradius import FREERADIUS, GATEWAY, in_front
from tests.support.nas import SECRET
from tests.support.patience import PATIENCE
from tests.support.world import imsi

from simwarden.domain.rules.functions import FunctionState, SetFunctions
from simwarden.domain.sim import Function
from simwarden.simulator.nas import BARRED_FILTER, OPEN_FILTER, SessionRefused, VirtualDevice, VirtualNas
from simwarden.simulator.packet_path import NoNamespaces, PacketPath

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

ADDRESS = "10.45.0.7"


def device(imei: str) -> VirtualDevice:
    return VirtualDevice(imsi=imsi(1), imei=imei, apn="iot.example", ipv4=ADDRESS)


@contextlib.asynccontextmanager
async def gateway(mobile: Mobile, tmp_path: Path, path: PacketPath) -> AsyncIterator[VirtualNas]:
    async with contextlib.AsyncExitStack() as stack:
        if FREERADIUS is None:
            access, accounting = mobile.source.access_receiver.address[1], mobile.source.receiver.address[1]
            secret = SECRET
        else:
            access, accounting = await stack.enter_async_context(in_front(mobile, tmp_path))
            secret = GATEWAY.encode()
        yield await stack.enter_async_context(
            VirtualNas(
                secret, access_port=access, accounting_port=accounting, disconnect_secret=SECRET, on_end=path.close
            )
        )


async def test_pings_stop_when_the_card_is_stolen_and_come_back(mobile: Mobile, tmp_path: Path) -> None:
    world = mobile.world
    path = PacketPath(ADDRESS)
    try:
        await path.__aenter__()
    except NoNamespaces as error:
        pytest.skip(f"network namespaces are needed: {error}")
    try:
        async with gateway(mobile, tmp_path, path) as nas:
            await world.db.execute("update gateway set command_url = $1", f"radius://127.0.0.1:{nas.disconnect_port}")
            await world.start_enforcement(driver_for=mobile.driver_for)
            session = await nas.attach(device(HOME))
            assert session.decision is not None
            path.open(session)
            assert await path.answered_after(time.time_ns(), PATIENCE)

            # The card's session still lives at its gateway when the card asks for one in another device.
            with pytest.raises(SessionRefused, match="IMEI_MISMATCH"):
                await nas.attach(device(OTHER))
            await asyncio.wait_for(session.ended.wait(), PATIENCE)
            carried = session.up, session.down
            async with asyncio.timeout(PATIENCE):  # answers that were under way may still come
                while await path.answered_after(time.time_ns(), 0.5):
                    pass
            assert (session.up, session.down) == carried, "a hundred pings a second are sent on"

            again = await nas.attach(device(HOME))
            path.open(again)
            assert await path.answered_after(time.time_ns(), PATIENCE)

            # The same session is barred, and works on, where the gateway has filters.
            filters = f"?barred-filter={BARRED_FILTER}&open-filter={OPEN_FILTER}"
            await world.db.execute("update gateway set command_url = command_url || $1", filters)
            await world.do(1, SetFunctions(FunctionState.CLOSED, int(Function.DATA)))
            await world.eventually(lambda: world.enforced(1))
            carried = again.up, again.down
            async with asyncio.timeout(PATIENCE):
                while await path.answered_after(time.time_ns(), 0.5):
                    pass
            assert (again.up, again.down) == carried
            await world.do(1, SetFunctions(FunctionState.OPEN, int(Function.DATA)))
            assert await path.answered_after(time.time_ns(), PATIENCE)
            assert not again.ended.is_set()
            await world.eventually(lambda: world.enforced(1))
            await nas.detach(again)
            await world.stop_enforcement()
    finally:
        await path.__aexit__()
    found = await world.db.fetchrow("select up, down from session where key = $1", again.key)
    assert found is not None
    assert (found["up"], found["down"]) == (again.up, again.down)
    assert found["up"] >= 36, "an echo request has 20 octets of IP and 16 of ICMP"
