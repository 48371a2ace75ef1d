"""Writing to a connection that the other side has reset."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import struct
from pathlib import Path

import pytest
import uvloop

from simwarden.southbound import streams

SOUTHBOUND = Path(streams.__file__).parent
LINGER = struct.pack("ii", 1, 0)


async def _written_after_reset() -> None:
    accepted: asyncio.Future[asyncio.StreamWriter] = asyncio.get_running_loop().create_future()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.set_result(writer)
        with pytest.raises(ConnectionResetError):
            await reader.read(1)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    with socket.create_connection(server.sockets[0].getsockname()) as peer:
        writer = await accepted
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)  # closing resets
    while not writer.is_closing():  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.001)
    with pytest.raises(ConnectionResetError):
        streams.write(writer, b"late")
    with contextlib.suppress(ConnectionResetError):
        await writer.wait_closed()
    server.close()


@pytest.mark.parametrize("new_loop", [uvloop.new_event_loop, asyncio.new_event_loop])
def test_a_reset_connection_is_an_error_that_senders_expect(new_loop: type[asyncio.AbstractEventLoop]) -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(_written_after_reset())


def test_all_sources_write_so() -> None:
    own = re.compile(r"(?<!codec)\.write\(")  # a codec writes octets, to nobody
    offenders = [
        str(path.relative_to(SOUTHBOUND))
        for path in SOUTHBOUND.rglob("*.py")
        if path.name != "streams.py" and own.search(path.read_text())
    ]
    assert offenders == []
