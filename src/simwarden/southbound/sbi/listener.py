"""A listener of its own for a service based interface: HTTP/2 with prior knowledge and HTTP/1.1, or TLS with both.

Granian serves it inside the worker process, on the worker's loop; the workers share the port by SO_REUSEPORT. The
server's own port speaks HTTP/1.1 only unless it is set otherwise, and is for customers; this one is for the core.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simwarden.edge.bodies import Bodies
from simwarden.edge.door import FrontDoor

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

HEAD_BYTES = 32 * 1024
"""Of a request's head; an access token is the longest part."""
CONNECTIONS = 1024
"""Open connections per worker. A network function holds one or a few."""
STREAMS = 250
"""Requests of one connection at once."""
KEEP_ALIVE = 10_000
"""Milliseconds between two pings: who does not answer one within 20 seconds is gone."""
OPENING = 20.0
"""Seconds that opening the port may take,"""
CLOSING = 1
"""and that requests in work have when it is closed."""

_taken: set[tuple[str, int]] = set()
"""Addresses that listeners of this process have."""


class Tls:
    """Files of a TLS server: its certificate with key, and the authority that signs the certificates of its clients."""

    def __init__(self, certificate: str, key: str, clients: str | None) -> None:
        """`clients`: then who has no certificate of this authority gets no connection."""
        self.certificate = Path(certificate).expanduser()
        self.key = Path(key).expanduser()
        self.clients = None if clients is None else Path(clients).expanduser()


def tls_of(certificate: str | None, key: str | None, clients: str | None) -> Tls | None:
    """What three settings say together; None: no TLS. Raises ValueError for a part without the others."""
    if certificate is None and key is None and clients is None:
        return None
    if certificate is None or key is None:
        raise ValueError("TLS needs both a certificate and its key")
    return Tls(certificate, key, clients)


class SbiListener:
    """One port."""

    def __init__(
        self,
        app: ASGIApp,
        host: str,
        port: int,
        tls: Tls | None = None,
        *,
        counted: Callable[[str], None] = lambda _reason: None,
    ) -> None:
        """`counted(reason)` is called for every body that is refused before `app`."""
        self._app = app
        self._door = FrontDoor(app, Bodies(counted=counted), counted=counted)
        self._host = host
        self._port = port
        self._tls = tls
        self._server: Any = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen. Raises OSError, also for a port that another source of this process has: connections would be dealt
        out to both."""
        if (self._host, self._port) in _taken:
            raise OSError(f"Port {self._port} is another source's already: give each a port of its own")
        from granian.constants import Interfaces, SSLProtocols
        from granian.http import HTTP1Settings, HTTP2Settings
        from granian.log import LogLevels
        from granian.server.embed import Server

        tls = self._tls
        secured: dict[str, Any] = {}
        if tls is not None:
            secured = {"ssl_cert": tls.certificate, "ssl_key": tls.key, "ssl_protocol_min": SSLProtocols.tls12}
            if tls.clients is not None:
                secured |= {"ssl_ca": tls.clients, "ssl_client_verify": True}
        self._server = Server(
            self._serve,
            address=self._host,
            port=self._port,
            interface=Interfaces.ASGINL,
            websockets=False,
            backlog=1024,
            backpressure=CONNECTIONS,
            http1_settings=HTTP1Settings(header_read_timeout=30_000, max_buffer_size=HEAD_BYTES),
            http2_settings=HTTP2Settings(
                keep_alive_interval=KEEP_ALIVE, max_concurrent_streams=STREAMS, max_headers_size=HEAD_BYTES
            ),
            log_level=LogLevels.error,
            **secured,
        )
        _try_port(self._host, self._port)
        self._server.workers_kill_timeout = CLOSING
        self._task = asyncio.create_task(self._server.serve(), name=f"sbi-{self._port}")
        async with asyncio.timeout(OPENING):
            while not await self._answers():
                if self._task.done():
                    self._task.result()
                await asyncio.sleep(0.005)
        _taken.add((self._host, self._port))

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """What has no body goes past the door, which watches bodies: that saves a fifth of the time."""
        await (self._app if scope["type"] != "http" or scope["method"] == "GET" else self._door)(scope, receive, send)

    async def _answers(self) -> bool:
        """Granian opens the port in a thread of its own, and tells nobody."""
        try:
            _, writer = await asyncio.open_connection(self._host, self._port)
        except OSError:
            return False
        writer.close()
        return True

    async def stop(self) -> None:
        """Listen no more; requests in work are answered."""
        if self._task is not None and not self._task.done():
            _taken.discard((self._host, self._port))
            self._server.stop()
            with contextlib.suppress(TimeoutError):  # network functions keep their connections open
                await self._task
        self._task = None


def _try_port(host: str, port: int) -> None:
    """Raises OSError where another program has the port: Granian says so in no form that can be told from others."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        tried.bind(address)
