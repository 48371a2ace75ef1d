"""A kept HTTP/1.1 connection on a raw transport: one request at a time, the answer's status and nothing else.

It costs a fraction of a full client, which is what lets one core play thousands of devices.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast
from urllib.parse import urlsplit

from simwarden.simulator.errors import InvalidRequest


class ReportTarget:
    """Where a device reports to, as host, port and the first bytes of every request."""

    def __init__(self, url: str, content_type: str) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise InvalidRequest("load needs report URLs that begin with http://")
        self.host = parts.hostname
        self.port = parts.port or 80
        path = parts.path or "/"
        if parts.query:
            path += f"?{parts.query}"
        head = f"POST {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: {content_type}\r\nContent-Length: "
        self._head = head.encode()

    def request(self, body: bytes) -> bytes:
        """The whole request."""
        return b"%b%d\r\n\r\n%b" % (self._head, len(body), body)


class KeptConnection(asyncio.Protocol):
    """Sends requests to one target and calls back with the status, or None when the connection broke."""

    def __init__(self, on_status: Callable[[int | None], None]) -> None:
        self._on_status = on_status
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._waiting = False

    @property
    def usable(self) -> bool:
        """Whether a request can be sent now."""
        return self._transport is not None and not self._transport.is_closing() and not self._waiting

    def send(self, request: bytes) -> None:
        """Send one request; the connection must be usable."""
        assert self._transport is not None
        self._waiting = True
        self._transport.write(request)

    def close(self) -> None:
        """Break the connection."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class is not a subclass

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        if not is_complete(self._buffer):
            return
        status = int(self._buffer[9:12])
        self._buffer = b""
        self._waiting = False
        self._on_status(status)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._buffer = b""
        if self._waiting:
            self._waiting = False
            self._on_status(None)


def is_complete(answer: bytes) -> bool:
    """Whether these bytes hold a whole HTTP/1.1 answer (length given, chunked, or without a body)."""
    head, separator, body = answer.partition(b"\r\n\r\n")
    if not separator:
        return False
    if answer[9:12] in {b"204", b"304"}:
        return True
    for line in head.lower().split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name == b"content-length":
            return len(body) >= int(value)
        if name == b"transfer-encoding" and b"chunked" in value:
            return body.endswith(b"0\r\n\r\n")
    return True
