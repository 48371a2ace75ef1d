"""The simulator's NAS against the source: what the demo's second act is built on."""

from __future__ import annotations

import pytest
from tests.integration.southbound.radius.mobile import HOME, OTHER, Mobile
from tests.support.nas import SECRET
from tests.support.world import imsi

from simwarden.domain.rules.functions import FunctionState, SetFunctions
from simwarden.domain.session import Octets
from simwarden.domain.sim import Function
from simwarden.simulator.nas import (
    BARRED_FILTER,
    OPEN_FILTER,
    SessionRefused,
    VirtualDevice,
    VirtualNas,
    VirtualSession,
)
from simwarden.store import sessions


def device(imei: str) -> VirtualDevice:
    return VirtualDevice(imsi=imsi(1), imei=imei, apn="iot.example", ipv4="10.45.0.7")


async def test_a_stolen_card_loses_its_session_gets_none_and_is_let_in_at_home(mobile: Mobile) -> None:
    """Admitted in another device before it was bound, as a card is that was stolen before anybody looked."""
    world = mobile.world
    ended: list[VirtualSession] = []
    access, accounting = mobile.source.access_receiver.address[1], mobile.source.receiver.address[1]
    async with VirtualNas(SECRET, access_port=access, accounting_port=accounting, on_end=ended.append) as nas:
        await world.db.execute("update gateway set command_url = $1", f"radius://127.0.0.1:{nas.disconnect_port}")
        session = await nas.attach(device(HOME))
        session.up, session.down = 5 << 32, 7
        await nas.report(session)
        await world.start_enforcement(driver_for=mobile.driver_for)
        with pytest.raises(SessionRefused, match="IMEI_MISMATCH"):
            await nas.attach(device(OTHER))
        await world.eventually(lambda: world.enforced(1))
        assert ended == [session]
        assert nas.sessions == {}
        again = await nas.attach(device(HOME))
        assert again.decision is not None
        await nas.detach(again)
        await world.stop_enforcement()
    found = await sessions.newest_of_sim(world.db, await world.sim(1))
    assert found is not None
    assert not found.is_live
    rows = await world.db.fetch("select up, down from session order by began_at, key")
    assert [Octets(row["up"], row["down"]) for row in rows] == [Octets(5 << 32, 7), Octets()]


async def test_a_closed_card_is_filtered_in_its_session_and_opened_again(mobile: Mobile) -> None:
    world = mobile.world
    access, accounting = mobile.source.access_receiver.address[1], mobile.source.receiver.address[1]
    async with VirtualNas(SECRET, access_port=access, accounting_port=accounting) as nas:
        filters = f"?barred-filter={BARRED_FILTER}&open-filter={OPEN_FILTER}"
        url = f"radius://127.0.0.1:{nas.disconnect_port}{filters}"
        await world.db.execute("update gateway set command_url = $1", url)
        await world.start_enforcement(driver_for=mobile.driver_for)
        session = await nas.attach(device(HOME))
        for state in (FunctionState.CLOSED, FunctionState.OPEN):
            await world.do(1, SetFunctions(state, int(Function.DATA)))
            await world.eventually(lambda: world.enforced(1))
            assert session.is_barred is (state is FunctionState.CLOSED)
        assert not session.ended.is_set()

        await world.db.execute("update gateway set command_url = replace(command_url, '=barred', '=unknown')")
        await world.do(1, SetFunctions(FunctionState.CLOSED, int(Function.DATA)))
        await world.eventually(lambda: world.enforced(1))
        assert session.ended.is_set(), "it has no such filter"
        await world.stop_enforcement()
