"""The GSUP port between peers of two HLRs, one of which has more of them than there are places."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from tests.support.fixtures import world, world_database
from tests.support.hlr import COUNTED, source_of
from tests.support.patience import PATIENCE

from simwarden.demo.processes import free_port
from simwarden.southbound.osmo_hlr import gsup
from simwarden.southbound.osmo_hlr.gsup import LinkMessage
from simwarden.southbound.osmo_hlr.source import SOURCE

if TYPE_CHECKING:
    from tests.support.world import World

__all__ = ["world", "world_database"]
GREETING = gsup.link(LinkMessage.ID_GET)
GREEDY, MODEST = "127.0.0.1", "127.0.0.2"


async def _greets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """An HLR that asks who is there, and says nothing else."""
    with contextlib.suppress(OSError):
        writer.write(GREETING)
        await reader.read()
    writer.close()


async def test_peers_of_one_hlr_leave_room_for_those_of_the_others(world: World) -> None:
    writers: list[asyncio.StreamWriter] = []

    async def connect(address: str, port: int) -> bytes:
        """What a peer at this address hears; nothing, where it is hung up."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
        writers.append(writer)
        with contextlib.suppress(ConnectionError):
            return await reader.read(len(GREETING))
        return b""

    async with asyncio.timeout(PATIENCE), await asyncio.start_server(_greets, "127.0.0.1", 0) as hlr:
        url = f"osmo-hlr://127.0.0.1?gsup={hlr.sockets[0].getsockname()[1]}"
        for name, address in (("hlr-1", GREEDY), ("hlr-2", MODEST)):
            await world.gateways.add(
                name,
                kind=SOURCE.name,
                command_url=url,
                username=None,
                password=None,
                source_addresses=[f"{address}/32"],
            )
        source = source_of(world, osmo_hlr_gsup_port=free_port(), osmo_hlr_gsup_peers=4, osmo_hlr_poll_rate=0)
        await source.start()
        try:
            heard = [await connect(GREEDY, source.proxy.port) for _ in range(6)]
            assert [bool(each) for each in heard] == [True, True, False, False, False, False]
            assert COUNTED["too_many", "gsup"] == 4
            assert await connect(MODEST, source.proxy.port)
            writers[0].close()  # its place is free again, once the connection is over
            while not await connect(GREEDY, source.proxy.port):  # noqa: ASYNC110 - the other side tells nobody
                await asyncio.sleep(0.01)
        finally:
            for writer in writers:
                writer.close()
            await source.stop()
