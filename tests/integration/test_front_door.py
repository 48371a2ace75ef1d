"""What concerns every request, over HTTP to a real server."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp
from tests.support.server import serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

QUERY = "/iot-sim-fraud-prevention/v0.1/query"


class Connection:
    """One connection to the server, kept for as long as the server keeps it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def ask(self, *lines: str, body: bytes = b"") -> tuple[int, dict[str, str], bytes]:
        """Send these lines as a head, and a body; status, headers and body of the answer."""
        self._writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        head = (await asyncio.wait_for(self._reader.readuntil(b"\r\n\r\n"), 60)).decode()
        status, *rest = head.removesuffix("\r\n\r\n").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
        content = await self._reader.readexactly(int(headers.get("content-length", 0)))
        return int(status.split()[1]), headers, content


@contextlib.asynccontextmanager
async def connected(url: str) -> AsyncIterator[Connection]:
    """A connection to the server, closed at the end."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        yield Connection(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):  # the server closed it first
            await writer.wait_closed()


async def test_the_front_door(database_url: str, tmp_path: Path) -> None:
    async with serving(tmp_path, database_url) as url, aiohttp.ClientSession() as session:
        async with session.get(url + "/", allow_redirects=False) as answer:
            assert (answer.status, answer.headers["location"]) == (307, "docs")
        async with session.get(url + "/nothing/here", headers={"x-correlator": "mine"}) as answer:
            assert (answer.status, answer.headers["x-correlator"]) == (404, "mine")
            assert (await answer.json())["code"] == "NOT_FOUND"
        async with session.delete(url + "/healthz", headers={"x-correlator": "not allowed,"}) as answer:
            assert (answer.status, (await answer.json())["code"]) == (405, "METHOD_NOT_ALLOWED")
            assert answer.headers["x-correlator"] != "not allowed,"
            assert answer.headers["allow"]

        async with connected(url) as connection:
            for lines in (("GET /healthz HTTP/1.1",), ("GET /healthz HTTP/1.1", "Host: a", "Host: b")):
                status, _, body = await connection.ask(*lines)
                assert (status, json.loads(body)["code"]) == (400, "INVALID_ARGUMENT")
        async with session.get(f"{url}/metrics") as answer:
            assert 'simwarden_refused_requests_total{reason="no_host"} 2.0' in await answer.text()


async def test_a_connection_is_kept_when_a_small_body_was_refused(database_url: str, tmp_path: Path) -> None:
    async with serving(tmp_path, database_url) as url, connected(url) as connection:
        large = b"{" + b" " * 20_000
        for _ in range(3):
            for path, wanted in ((QUERY, 401), ("/nothing", 404), ("/southbound/ejoin/unknown", 404)):
                head = (f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(large)}")
                status, headers, _ = await connection.ask(*head, body=large)
                assert (status, headers.get("connection")) == (wanted, None)
            head = ("POST /oauth2/token HTTP/1.1", "Host: x", "Content-Type: application/x-www-form-urlencoded")
            status, _, body = await connection.ask(*head, f"Content-Length: {len(large)}", body=large)
            assert (status, json.loads(body)["error"]) == (400, "invalid_request")


async def test_a_token_that_is_no_good_is_said_to_be(database_url: str, tmp_path: Path) -> None:
    async with serving(tmp_path, database_url) as url, connected(url) as connection:
        for given, wanted in (("Authorization: Bearer x", 'Bearer error="invalid_token"'), ("X-None: x", "Bearer")):
            head = (f"POST {QUERY} HTTP/1.1", "Host: x", given, "Content-Length: 2")
            status, headers, _ = await connection.ask(*head, body=b"{}")
            assert (status, headers["www-authenticate"]) == (401, wanted)
