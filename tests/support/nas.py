"""A network access server for tests: sends accounting, answers Disconnect- and CoA-Requests, on real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING, Any, Self

from tests.support.patience import PATIENCE

from simwarden.southbound.radius import codec
from simwarden.southbound.radius.accounting import AccountingStatus
from simwarden.southbound.radius.codec import Attribute, Code, InvalidPacket, Packet, Vendor3gpp

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = b"testing123"


def accounting(
    status: AccountingStatus | int,
    session: str | None = None,
    *,
    imsi: str | None = None,
    imei: str | None = None,
    at: int | None = None,
    lasted: int | None = None,
    more: tuple[bytes, ...] = (),
) -> list[bytes]:
    """Attributes of an Accounting-Request. `imei`: 16 digits; `at`: Event-Timestamp."""
    parts = [codec.integer(Attribute.ACCT_STATUS_TYPE, status)]
    if session is not None:
        parts.append(codec.attribute(Attribute.ACCT_SESSION_ID, session.encode()))
    if at is not None:
        parts.append(codec.integer(Attribute.EVENT_TIMESTAMP, at))
    if lasted is not None:
        parts.append(codec.integer(Attribute.ACCT_SESSION_TIME, lasted))
    if imsi is not None:
        parts.append(codec.vendor_attribute(Vendor3gpp.IMSI, imsi.encode()))
    if imei is not None:
        parts.append(codec.vendor_attribute(Vendor3gpp.IMEISV, imei.encode()))
    return [*parts, *more]


def access(
    imsi: str | None = None,
    *,
    imei: str | None = None,
    apn: str | None = None,
    at: int | None = None,
    more: tuple[bytes, ...] = (),
) -> list[bytes]:
    """Attributes of an Access-Request. `imei`: 16 digits; `at`: Event-Timestamp."""
    parts = [codec.attribute(Attribute.USER_NAME, b"device")]
    if apn is not None:
        parts.append(codec.attribute(Attribute.CALLED_STATION_ID, apn.encode()))
    if at is not None:
        parts.append(codec.integer(Attribute.EVENT_TIMESTAMP, at))
    if imsi is not None:
        parts.append(codec.vendor_attribute(Vendor3gpp.IMSI, imsi.encode()))
    if imei is not None:
        parts.append(codec.vendor_attribute(Vendor3gpp.IMEISV, imei.encode()))
    return [*parts, *more]


class TestNas:
    """Bound to 127.0.0.1. `live` holds the sessions that it has; a Disconnect-Request ends one of them, a CoA-Request
    changes its filter.

    `on_disconnect(packet)` and `on_change(packet)` may give another answer than the usual one: a code with its
    attributes, or None for none.
    """

    __test__ = False

    def __init__(
        self,
        secret: bytes = SECRET,
        on_disconnect: Callable[[Packet], tuple[Code, list[bytes]] | None] | None = None,
        on_change: Callable[[Packet], tuple[Code, list[bytes]] | None] | None = None,
    ) -> None:
        self.secret = secret
        self.live: set[str] = set()
        self.filters: dict[str, str | None] = {}
        """By session, where one was set."""
        self.disconnects: list[Packet] = []
        """Authentic Disconnect-Requests, sent again or not;"""
        self.changes: list[Packet] = []
        """and CoA-Requests."""
        self._on_disconnect = on_disconnect or self._usual
        self._on_change = on_change or self._filtered
        self._next = 0
        self._waiting: dict[int, asyncio.Future[Packet]] = {}
        self._client: asyncio.DatagramTransport | None = None
        self._access: asyncio.DatagramTransport | None = None
        self._server: asyncio.DatagramTransport | None = None

    @property
    def disconnect_port(self) -> int:
        """Where it takes Disconnect-Requests."""
        assert self._server is not None
        return int(self._server.get_extra_info("sockname")[1])

    async def connect(self, port: int) -> None:
        """Send accounting to this port of 127.0.0.1 from now on, from one port of its own."""
        loop = asyncio.get_running_loop()
        if self._client is not None:
            self._client.close()
        self._client, _ = await loop.create_datagram_endpoint(
            lambda: _Peer(self._answered), remote_addr=("127.0.0.1", port)
        )

    async def connect_access(self, port: int) -> None:
        """Send Access-Requests to this port of 127.0.0.1 from now on, from another port of its own."""
        loop = asyncio.get_running_loop()
        if self._access is not None:
            self._access.close()
        self._access, _ = await loop.create_datagram_endpoint(
            lambda: _Peer(self._answered), remote_addr=("127.0.0.1", port)
        )

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server, _ = await loop.create_datagram_endpoint(lambda: _Peer(self._asked), local_addr=("127.0.0.1", 0))
        return self

    async def __aexit__(self, *_: object) -> None:
        for transport in (self._client, self._access, self._server):
            if transport is not None:
                transport.close()
        await asyncio.sleep(0)

    def packet(self, attributes: list[bytes], secret: bytes | None = None) -> bytes:
        """An Accounting-Request with the next Identifier."""
        self._next = (self._next + 1) % 256
        return codec.encode_request(Code.ACCOUNTING_REQUEST, self._next, attributes, secret or self.secret, prove=False)

    def proved(self, attributes: list[bytes], code: Code = Code.ACCESS_REQUEST, secret: bytes | None = None) -> bytes:
        """An Access-Request or Status-Server with the next Identifier."""
        self._next = (self._next + 1) % 256
        return codec.encode_proved_request(code, self._next, attributes, secret or self.secret, os.urandom(16))

    def send(self, data: bytes) -> None:
        """Send octets to where they belong by their code, and wait for nothing."""
        client = self._access if data[:1] == bytes([Code.ACCESS_REQUEST]) and self._access else self._client
        assert client is not None
        client.sendto(data)

    async def access(self, imsi: str | None = None, **more: Any) -> Packet:
        """Ask for admission; returns the Access-Accept or Access-Reject."""
        answer = await self.ask(self.proved(access(imsi, **more)))
        assert answer.code in (Code.ACCESS_ACCEPT, Code.ACCESS_REJECT)
        assert answer.raw[20] == Attribute.MESSAGE_AUTHENTICATOR, "first of all attributes"
        return answer

    async def ask(self, data: bytes, *, again: float | None = 2.0, patience: float = PATIENCE) -> Packet:
        """Send a packet until it is answered, every `again` seconds (None: once). Raises TimeoutError."""
        future: asyncio.Future[Packet] = asyncio.get_running_loop().create_future()
        self._waiting[data[1]] = future
        async with asyncio.timeout(patience):
            while True:
                self.send(data)
                done, _ = await asyncio.wait([future], timeout=again)
                if done:
                    break
        answer = future.result()
        assert codec.is_authentic_response(answer, data[4:20], self.secret)
        return answer

    async def account(self, status: AccountingStatus, session: str | None = None, **more: Any) -> Packet:
        """Report a session (or itself), and keep `live` in step."""
        if session is not None:
            (self.live.discard if status is AccountingStatus.STOP else self.live.add)(session)
        answer = await self.ask(self.packet(accounting(status, session, **more)))
        assert answer.code == Code.ACCOUNTING_RESPONSE
        return answer

    def _usual(self, packet: Packet) -> tuple[Code, list[bytes]]:
        session = packet.text(Attribute.ACCT_SESSION_ID)
        if session not in self.live:
            return Code.DISCONNECT_NAK, [codec.integer(Attribute.ERROR_CAUSE, 503)]
        self.live.discard(session)
        return Code.DISCONNECT_ACK, []

    def _filtered(self, packet: Packet) -> tuple[Code, list[bytes]]:
        session = packet.text(Attribute.ACCT_SESSION_ID)
        if session is None or session not in self.live:
            return Code.COA_NAK, [codec.integer(Attribute.ERROR_CAUSE, 503)]
        self.filters[session] = packet.text(Attribute.FILTER_ID)
        return Code.COA_ACK, []

    def _answered(self, data: bytes, _address: tuple[Any, ...]) -> None:
        packet = codec.decode(data)
        future = self._waiting.get(packet.identifier)
        if future is not None and not future.done():
            future.set_result(packet)

    def _asked(self, data: bytes, address: tuple[Any, ...]) -> None:
        with contextlib.suppress(InvalidPacket):
            packet = codec.decode(data)
            if not codec.is_authentic_request(packet, self.secret):
                return
            if packet.code == Code.DISCONNECT_REQUEST:
                self.disconnects.append(packet)
                answer = self._on_disconnect(packet)
            elif packet.code == Code.COA_REQUEST:
                self.changes.append(packet)
                answer = self._on_change(packet)
            else:
                return
            if answer is not None and self._server is not None:
                code, attributes = answer
                self._server.sendto(codec.encode_response(code, packet, self.secret, attributes, prove=True), address)


class _Peer(asyncio.DatagramProtocol):
    def __init__(self, received: Callable[[bytes, tuple[Any, ...]], None]) -> None:
        self._received = received

    def datagram_received(self, data: bytes, address: tuple[Any, ...]) -> None:
        self._received(data, address)

    def error_received(self, exc: Exception) -> None:
        """Nobody listens there at the moment."""
