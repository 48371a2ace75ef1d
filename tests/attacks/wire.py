"""Requests that no HTTP client would send, byte for byte."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.attacks.target import Target

PATIENCE = 120.0


class Wire:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        """Write these bytes. Raises OSError when the server has closed."""
        self._writer.write(data)
        await self._writer.drain()

    def half_close(self) -> None:
        """Say that nothing more comes."""
        self._writer.write_eof()

    async def answer(self) -> tuple[int, dict[str, str], str]:
        """Status, headers and body of the next answer. Raises OSError, IncompleteReadError, TimeoutError."""
        async with asyncio.timeout(PATIENCE):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            status, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            body = await self._reader.readexactly(int(headers.get("content-length", "0")))
        return int(status.split()[1]), headers, body.decode(errors="replace")

    async def closed(self) -> None:
        """Wait until the server closes the connection. Raises TimeoutError."""
        async with asyncio.timeout(PATIENCE):
            with contextlib.suppress(OSError):
                while await self._reader.read(65536):
                    pass


@contextlib.asynccontextmanager
async def wire(target: Target, address: str = "127.0.0.2", port: int | None = None) -> AsyncIterator[Wire]:
    """A connection from this address of the loopback, to the server's own port unless another is given."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port or target.port, local_addr=(address, 0))
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def head(method: str, path: str, *lines: str) -> bytes:
    """The head of a request."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: simwarden.example", *lines, "", ""]).encode()


def doors(target: Target) -> list[Callable[[str], bytes]]:
    """The heads of requests with bodies to every kind of door, given what says how long the body is."""
    form = "Content-Type: application/x-www-form-urlencoded"
    bearer = f"Authorization: Bearer {target.attacker.token}"
    reports = "/southbound" + target.attacker_reports.partition("/southbound")[2]
    return [
        lambda length: head("POST", "/oauth2/token", form, length),
        lambda length: head("POST", "/iot-sim-fraud-prevention/v0.1/query", bearer, length),
        lambda length: head("POST", reports, "Content-Type: application/json", length),
    ]
