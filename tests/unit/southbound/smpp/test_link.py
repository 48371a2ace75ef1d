"""The connection to a message centre, on the event loop that the server runs on."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import TYPE_CHECKING, Any, cast

import pytest
from structlog.testing import capture_logs

from simwarden.demo.world import until
from simwarden.southbound.smpp import codec
from simwarden.southbound.smpp.codec import RESPONSE, CommandId, Pdu
from simwarden.southbound.smpp.link import Link

if TYPE_CHECKING:
    from simwarden.southbound.smpp.intake import SmppIntake

uvloop = pytest.importorskip("uvloop")


async def _answer_bind(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    decoder = codec.Decoder()
    for pdu in decoder.feed(await reader.read(4096)):
        writer.write(codec.encode(Pdu(pdu.command | RESPONSE, 0, pdu.sequence, b"centre\0")))


def _reset(writer: asyncio.StreamWriter) -> None:
    """End the connection with RST."""
    cast("Any", writer.get_extra_info("socket")).setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
    )
    writer.transport.abort()


def test_a_connection_that_the_centre_resets_is_a_warning_and_no_traceback() -> None:
    async def reset() -> None:
        writers: list[asyncio.StreamWriter] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writers.append(writer)
            await _answer_bind(reader, writer)

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        link = Link(
            "centre",
            ("127.0.0.1", server.sockets[0].getsockname()[1], None),
            ("simwarden", "s3cret"),
            cast("SmppIntake", None),
            window=10,
            enquire=30,
        )

        async def bound() -> bool:
            return link.is_bound

        async def given_up() -> bool:
            return len(logs) > 1

        link.start()
        await until(bound, "the connection is bound", 60)
        _reset(writers[0])
        await until(given_up, "the connection is given up", 60)
        with contextlib.suppress(OSError):
            await link._write(Pdu(CommandId.ENQUIRE_LINK, 0, 1))
        await link.stop()
        server.close()

    with capture_logs() as logs:
        uvloop.run(reset())
    assert [each["log_level"] for each in logs][:2] == ["info", "warning"]
    assert {each["log_level"] for each in logs} == {"info", "warning"}, "it may have connected again"
