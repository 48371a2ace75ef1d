"""A network access server: asks for admission, reports its sessions, and ends or filters them when it is told to.

RADIUS as a packet gateway speaks it (RFC 2865, 2866, 5176; 3GPP TS 29.061 16.4). What the sessions carry is their
user's business: see `on_end` and the octets of a session.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Self, cast

import msgspec

from simwarden.southbound.radius import codec
from simwarden.southbound.radius.codec import Attribute, Code, InvalidPacket, Vendor3gpp

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from simwarden.southbound.radius.codec import Packet

START, STOP, INTERIM = 1, 2, 3
FIRST_WAIT = 0.5
"""Seconds until a request is sent again for the first time; then 1, 2, 4 ..."""
PATIENCE = 15.0
"""Seconds after which a request that got no answer is given up."""
BARRED_FILTER, OPEN_FILTER = "barred", "open"
"""The filters that it has (Filter-Id): one that lets no packet pass, and one that lets all."""
_INVALID_VALUE, _NOT_FOUND = 407, 503
_ANSWERS = {
    Code.ACCESS_REQUEST: (Code.ACCESS_ACCEPT, Code.ACCESS_REJECT),
    Code.ACCOUNTING_REQUEST: (Code.ACCOUNTING_RESPONSE,),
}


class SessionRefused(Exception):
    """The session may not begin; the text says why, in the server's word."""


class VirtualDevice(msgspec.Struct, frozen=True, kw_only=True):
    """A card in a device that asks for a session."""

    imsi: str
    imei: str
    """14 digits."""
    apn: str
    ipv4: str
    """The address that the NAS gives it."""
    location: bytes = b""
    """3GPP-User-Location-Info; empty: not reported."""
    rat: int = 6
    """3GPP-RAT-Type; 6: LTE."""


class VirtualSession:
    """One that was admitted and goes on, until `ended` is set."""

    def __init__(self, key: str, device: VirtualDevice, decision: bytes | None) -> None:
        self.key = key
        self.device = device
        self.decision = decision
        self.began = time.time()
        self.up = 0
        """Octets from the device so far."""
        self.down = 0
        self.is_barred = False
        """Its packets do not pass."""
        self.ended = asyncio.Event()

    def attributes(self, status: int, now: float) -> list[bytes]:
        """What an Accounting-Request says of it."""
        counts = (
            (Attribute.ACCT_SESSION_TIME, int(now - self.began)),
            (Attribute.ACCT_INPUT_OCTETS, self.up & 0xFFFFFFFF),
            (Attribute.ACCT_OUTPUT_OCTETS, self.down & 0xFFFFFFFF),
            (Attribute.ACCT_INPUT_GIGAWORDS, self.up >> 32),
            (Attribute.ACCT_OUTPUT_GIGAWORDS, self.down >> 32),
        )
        parts = [
            codec.integer(Attribute.ACCT_STATUS_TYPE, status),
            codec.attribute(Attribute.ACCT_SESSION_ID, self.key.encode()),
            codec.integer(Attribute.EVENT_TIMESTAMP, int(now)),
            codec.attribute(Attribute.FRAMED_IP_ADDRESS, bytes(map(int, self.device.ipv4.split(".")))),
            *_facts(self.device),
        ]
        if self.decision is not None:
            parts.append(codec.attribute(Attribute.CLASS, self.decision))
        return parts + ([codec.integer(*each) for each in counts] if status != START else [])


class VirtualNas:
    """Asks servers at 127.0.0.1 (`access_port`, `accounting_port`); takes Disconnect- and CoA-Requests at
    `disconnect_port`.

    `access_port` None: it admits everybody. `disconnect_secret`: another one, where a proxy stands before the server.
    `on_end(session)` is called when a session has ended, before its Stop goes.
    """

    def __init__(
        self,
        secret: bytes,
        *,
        access_port: int | None,
        accounting_port: int,
        disconnect_secret: bytes | None = None,
        on_end: Callable[[VirtualSession], None] = lambda _session: None,
    ) -> None:
        self._secret = secret
        self._disconnect_secret = disconnect_secret or secret
        self._ports = {Code.ACCESS_REQUEST: access_port, Code.ACCOUNTING_REQUEST: accounting_port}
        self._on_end = on_end
        self._clients: dict[Code, _Client] = {}
        self._server: asyncio.DatagramTransport | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._number = 0
        self._name = f"{os.getpid():04X}{int(time.time()):08X}"
        self.sessions: dict[str, VirtualSession] = {}
        """Those that go on."""

    @property
    def disconnect_port(self) -> int:
        """Where it takes Disconnect- and CoA-Requests."""
        assert self._server is not None
        return int(self._server.get_extra_info("sockname")[1])

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server, _ = await loop.create_datagram_endpoint(
            lambda: _Listener(self._told), local_addr=("127.0.0.1", 0)
        )
        for code, port in self._ports.items():
            if port is not None:
                _, client = await loop.create_datagram_endpoint(
                    partial(_Client, code, self._secret), remote_addr=("127.0.0.1", port)
                )
                self._clients[code] = client
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for client in self._clients.values():
            client.close()
        if self._server is not None:
            self._server.close()

    async def attach(self, device: VirtualDevice) -> VirtualSession:
        """Begin a session, if it is admitted. Raises SessionRefused, and TimeoutError when nobody answers."""
        decision = None
        if Code.ACCESS_REQUEST in self._clients:
            stamp = codec.integer(Attribute.EVENT_TIMESTAMP, int(time.time()))
            answer = await self._clients[Code.ACCESS_REQUEST].ask([stamp, *_facts(device)])
            if answer.code == Code.ACCESS_REJECT:
                raise SessionRefused(answer.text(Attribute.REPLY_MESSAGE) or "no reason is given")
            decision = answer.attributes.get(Attribute.CLASS)
        session = self.begin(device, decision)
        await self.report(session, START)
        return session

    def begin(self, device: VirtualDevice, decision: bytes | None = None) -> VirtualSession:
        """A session that nobody was asked about, and nobody told of yet."""
        self._number += 1
        session = VirtualSession(f"{self._name}{self._number:08X}", device, decision)
        self.sessions[session.key] = session
        return session

    async def report(self, session: VirtualSession, status: int = INTERIM) -> None:
        """Account for a session. Raises TimeoutError."""
        await self._clients[Code.ACCOUNTING_REQUEST].ask(session.attributes(status, time.time()))

    async def detach(self, session: VirtualSession) -> None:
        """The device ends it. Raises TimeoutError."""
        if self._end(session):
            await self.report(session, STOP)

    def _end(self, session: VirtualSession) -> bool:
        if self.sessions.pop(session.key, None) is None:
            return False
        session.ended.set()
        self._on_end(session)
        return True

    def _told(self, data: bytes, address: tuple[Any, ...]) -> None:
        """A request, or what somebody takes for one: what is not proved gets no answer (RFC 5176 3)."""
        with contextlib.suppress(InvalidPacket):
            packet = codec.decode(data)
            carry_out = {int(Code.DISCONNECT_REQUEST): self._disconnect, int(Code.COA_REQUEST): self._filter}.get(
                packet.code
            )
            if carry_out is None or not codec.is_authentic_request(packet, self._disconnect_secret):
                return
            code, cause = carry_out(packet)
            more = [] if cause is None else [codec.integer(Attribute.ERROR_CAUSE, cause)]
            assert self._server is not None
            answer = codec.encode_response(code, packet, self._disconnect_secret, more, prove=True)
            self._server.sendto(answer, address)

    def _disconnect(self, packet: Packet) -> tuple[Code, int | None]:
        session = self._named(packet)
        if session is None:
            return Code.DISCONNECT_NAK, _NOT_FOUND
        self._end(session)
        self._later(self.report(session, STOP))
        return Code.DISCONNECT_ACK, None

    def _filter(self, packet: Packet) -> tuple[Code, int | None]:
        session, wanted = self._named(packet), packet.text(Attribute.FILTER_ID)
        if session is None:
            return Code.COA_NAK, _NOT_FOUND
        if wanted not in (BARRED_FILTER, OPEN_FILTER):
            return Code.COA_NAK, _INVALID_VALUE
        session.is_barred = wanted == BARRED_FILTER
        return Code.COA_ACK, None

    def _named(self, packet: Packet) -> VirtualSession | None:
        return self.sessions.get(packet.text(Attribute.ACCT_SESSION_ID) or "")

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        async def carried_out() -> None:
            with contextlib.suppress(TimeoutError):  # as a gateway that gives up: the server learns it otherwise
                await work

        task = asyncio.create_task(carried_out())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _facts(device: VirtualDevice) -> list[bytes]:
    parts = [
        codec.attribute(Attribute.CALLED_STATION_ID, device.apn.encode()),
        codec.vendor_attribute(Vendor3gpp.IMSI, device.imsi.encode()),
        codec.vendor_attribute(Vendor3gpp.IMEISV, device.imei.encode() + b"01"),
        codec.vendor_attribute(Vendor3gpp.RAT_TYPE, bytes([device.rat])),
    ]
    if device.location:
        parts.append(codec.vendor_attribute(Vendor3gpp.USER_LOCATION_INFO, device.location))
    return parts


class _Listener(asyncio.DatagramProtocol):
    def __init__(self, received: Callable[[bytes, tuple[Any, ...]], None]) -> None:
        self._received = received

    def datagram_received(self, data: bytes, address: tuple[Any, ...]) -> None:
        self._received(data, address)

    def error_received(self, exc: Exception) -> None:
        """Nobody listens there at the moment."""


class _Client(asyncio.DatagramProtocol):
    """Requests of one kind, sent again, the same octets, until their answers come."""

    def __init__(self, code: Code, secret: bytes) -> None:
        self._code = code
        self._secret = secret
        self._next = 0
        self._waiting: dict[int, tuple[bytes, asyncio.Future[Packet]]] = {}
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, _address: tuple[Any, ...]) -> None:
        with contextlib.suppress(InvalidPacket):
            packet = codec.decode(data)
            request, future = self._waiting.get(packet.identifier, (b"", None))
            if future is None or future.done() or packet.code not in _ANSWERS[self._code]:
                return
            if codec.is_authentic_response(packet, request[4 : codec.HEADER], self._secret):
                future.set_result(packet)

    def error_received(self, exc: Exception) -> None:
        """Nobody listens there at the moment: the request is sent again like one that was lost."""

    def close(self) -> None:
        """Send nothing more."""
        if self._transport is not None:
            self._transport.close()

    async def ask(self, attributes: list[bytes]) -> Packet:
        """Send a request and return its answer. Raises TimeoutError."""
        assert self._transport is not None
        while self._next in self._waiting:
            self._next = (self._next + 1) % 256
        identifier, self._next = self._next, (self._next + 1) % 256
        if self._code == Code.ACCESS_REQUEST:
            request = codec.encode_proved_request(self._code, identifier, attributes, self._secret, os.urandom(16))
        else:
            request = codec.encode_request(self._code, identifier, attributes, self._secret)
        future: asyncio.Future[Packet] = asyncio.get_running_loop().create_future()
        self._waiting[identifier] = request, future
        wait = FIRST_WAIT
        try:
            async with asyncio.timeout(PATIENCE):
                while not future.done():
                    self._transport.sendto(request)
                    await asyncio.wait([future], timeout=wait)
                    wait *= 2
            return future.result()
        finally:
            del self._waiting[identifier]
