"""RADIUS over TLS (RadSec, RFC 6614): one TCP port for admission and accounting."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import ssl
from collections import Counter
from typing import TYPE_CHECKING

import msgspec
import structlog

from simwarden.southbound.radius import codec
from simwarden.southbound.radius.codec import Code
from simwarden.southbound.radius.exchange import RequestChannel
from simwarden.southbound.streams import write

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simwarden.southbound.radius.exchange import Exchange, RequestService
    from simwarden.southbound.radius.nas import Nas
    from simwarden.southbound.radius.settings import RadiusSettings

_log = structlog.get_logger()
PUBLIC_SECRET = b"radsec"
"""What packets are digested with where the client's certificate proves who it is (RFC 6614 section 2.3)."""
MOST_OF_NAS = 16
"""Connections of one NAS; further ones are closed."""
MOST_UNREAD = 1 << 20
"""Octets of answers that a client may leave unread before it is closed."""
HANDSHAKE = 10.0
ROOM = 0.01
"""Seconds between two looks whether there is room for one more request: over TCP nothing is dropped, but waits."""


class RadsecListener:
    """With `radius_tls_clients`, a NAS needs a certificate of that authority; else its own secret proves it."""

    def __init__(
        self,
        nas_of: Callable[[str], Nas | None],
        exchange: Exchange,
        services: Mapping[int, RequestService],
        settings: RadiusSettings,
    ) -> None:
        """`nas_of(address)`: who is registered there."""
        self._nas_of = nas_of
        self._exchange = exchange
        self._services = services
        self._settings = settings
        self._server: asyncio.Server | None = None
        self._open: Counter[int] = Counter()
        self._numbers = itertools.count()
        """Of connections."""
        self._writers: set[asyncio.StreamWriter] = set()

    async def listen(self) -> None:
        """Raises OSError, ValueError for a certificate that cannot be used."""
        settings = self._settings
        if settings.radius_tls_certificate is None or settings.radius_tls_key is None:
            raise ValueError("radius_tls_port needs radius_tls_certificate and radius_tls_key")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(settings.radius_tls_certificate, settings.radius_tls_key)
        if settings.radius_tls_clients is not None:
            context.load_verify_locations(settings.radius_tls_clients)
            context.verify_mode = ssl.CERT_REQUIRED
        self._server = await asyncio.start_server(
            self._serve,
            settings.radius_host,
            settings.radius_tls_port,
            ssl=context,
            ssl_handshake_timeout=HANDSHAKE,
            reuse_port=True,
        )

    def close(self) -> None:
        """Listen no more, and close all connections. The exchange has answered what was in work by then."""
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = writer.get_extra_info("peername")
        nas = self._nas_of(address[0])
        if nas is None or self._open[nas.ref.id] >= MOST_OF_NAS:
            self._exchange.counted("unknown_source" if nas is None else "busy", "")
            writer.close()
            return
        if self._settings.radius_tls_clients is not None:
            nas = msgspec.structs.replace(nas, secret=PUBLIC_SECRET)

        def send(octets: bytes) -> None:
            if writer.transport.get_write_buffer_size() > MOST_UNREAD:
                writer.transport.abort()
            else:
                with contextlib.suppress(OSError):
                    write(writer, octets)

        channel = RequestChannel(self._services, Code.ACCESS_ACCEPT, b"tls %d" % next(self._numbers), send)
        self._open[nas.ref.id] += 1
        self._writers.add(writer)
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, OSError):  # the client has gone
                await self._read(reader, nas, channel)
        finally:
            self._open[nas.ref.id] -= 1
            self._writers.discard(writer)
            writer.close()

    async def _read(self, reader: asyncio.StreamReader, nas: Nas, channel: RequestChannel) -> None:
        """Requests one after the other; what cannot be taken apart ends the connection (RFC 6614 section 2.6)."""
        while True:
            head = await reader.readexactly(4)
            length = int.from_bytes(head[2:], "big")
            if not codec.HEADER <= length <= codec.MAX_PACKET:
                self._exchange.counted("length", "")
                return
            data = head + await reader.readexactly(length - 4)
            while not self._exchange.has_room(nas):  # noqa: ASYNC110 - nobody tells when there is
                await asyncio.sleep(ROOM)
            self._exchange.take(data, nas, channel)
