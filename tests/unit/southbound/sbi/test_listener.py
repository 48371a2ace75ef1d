"""A port belongs to one source, and closing it waits for nobody who only keeps a connection open."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.support.patience import PATIENCE

from simwarden.demo.processes import free_port
from simwarden.southbound.sbi.answers import answer
from simwarden.southbound.sbi.client import NoAnswer, SbiClient
from simwarden.southbound.sbi.listener import SbiListener

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    del scope, receive
    await answer(send, 200, b"{}")


async def test_two_sources_do_not_share_a_port() -> None:
    port = free_port()
    one, other = SbiListener(app, "127.0.0.1", port), SbiListener(app, "127.0.0.1", port)
    await one.start()
    with pytest.raises(OSError, match="another source"):
        await other.start()
    await other.stop()
    await one.stop()
    await other.start()
    await other.stop()


async def test_a_connection_that_is_kept_does_not_hold_up_the_end() -> None:
    listener, client = SbiListener(app, "127.0.0.1", free_port()), SbiClient(PATIENCE)
    await listener.start()
    url = f"http://127.0.0.1:{listener._port}/x"
    assert (await client.send("GET", url)).status == 200
    async with asyncio.timeout(PATIENCE / 3):  # Granian alone would wait for half a minute
        await listener.stop()
    await client.close()


async def test_nobody_there_and_no_url() -> None:
    client = SbiClient(PATIENCE)
    for url in (f"http://127.0.0.1:{free_port()}/x", "http://[", "ftp://127.0.0.1/x"):
        with pytest.raises(NoAnswer):
            await client.send("GET", url)
    await client.close()
