"""Asking a NAS to end sessions, or to filter their packets: Disconnect-Request and CoA-Request (RFC 5176), sent again
until it answers or the time is over."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any, cast

import msgspec

from simwarden.engine.ports import CommandFailed
from simwarden.southbound.radius import codec
from simwarden.southbound.radius.codec import Attribute, Code, InvalidPacket, Vendor3gpp

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simwarden.southbound.radius.codec import Packet

PORT = 3799
"""RFC 5176 section 2.2."""
AT_ONCE = 32
"""Requests that wait for one NAS's answers at the same time; an Identifier names one of them (256 at most)."""
FIRST_WAIT = 0.5
"""Seconds until a request is sent again for the first time; then 1, 2, 4 ... (RFC 5080 section 2.2.1)."""
SESSION_NOT_FOUND = 503
"""Error-Cause: the NAS does not know the session (any more). It is gone, which is what was asked for."""
_CAUSES = {
    401: "Unsupported Attribute",
    402: "Missing Attribute",
    403: "NAS Identification Mismatch",
    404: "Invalid Request",
    405: "Unsupported Service",
    406: "Unsupported Extension",
    407: "Invalid Attribute Value",
    501: "Administratively Prohibited",
    502: "Request Not Routable",
    504: "Session Context Not Removable",
    505: "Other Proxy Processing Error",
    506: "Resources Unavailable",
    507: "Request Initiated",
    508: "Multiple Session Selection Unsupported",
}
"""RFC 5176 section 3.5."""


class SessionName(msgspec.Struct, frozen=True):
    """What names a session to its NAS."""

    id: str
    """Acct-Session-Id, as its accounting carried it."""
    imsi: str


class ChangeRefused(CommandFailed):
    """The NAS answered, and did not do what it was asked to."""


class SessionGone(ChangeRefused):
    """It does not know the session (any more)."""


class DynamicAuthorizationClient:
    """One NAS. Each batch of sessions gets a socket of its own, so that no late answer is taken for another's."""

    def __init__(
        self, host: str, port: int, secret: bytes, timeout: float, *, clock: Callable[[], float] = time.time
    ) -> None:
        """`timeout`: seconds until a request that got no answer counts as failed. `clock` gives Event-Timestamps."""
        self._host = host
        self._port = port
        self._secret = secret
        self._timeout = timeout
        self._clock = clock

    async def end(self, sessions: Sequence[SessionName]) -> dict[SessionName, CommandFailed | None]:
        """Ask for the end of each session; what failed, None where it is ended or was gone already.

        Raises CommandFailed when the NAS cannot even be sent to (its name cannot be resolved, for instance).
        """
        teardown = codec.vendor_attribute(Vendor3gpp.TEARDOWN_INDICATOR, b"\x01")  # all bearers of the connection
        answers = await self._ask(_DISCONNECT, sessions, teardown)
        return {name: None if isinstance(error, SessionGone) else error for name, error in answers.items()}

    async def filter(self, sessions: Sequence[SessionName], filter_id: str) -> dict[SessionName, CommandFailed | None]:
        """Ask for this filter on the packets of each session (Filter-Id, RFC 2865 section 5.11); what failed, None
        where the NAS took it. Raises CommandFailed as `end` does."""
        return await self._ask(_COA, sessions, codec.attribute(Attribute.FILTER_ID, filter_id.encode()))

    async def _ask(
        self, change: _Change, sessions: Sequence[SessionName], what: bytes
    ) -> dict[SessionName, CommandFailed | None]:
        if not sessions:
            return {}
        loop = asyncio.get_running_loop()
        try:
            transport, protocol = await loop.create_datagram_endpoint(
                lambda: _Exchange(self._secret, change), remote_addr=(self._host, self._port)
            )
        except OSError as error:
            raise CommandFailed(f"{self._host} port {self._port}: {error.strerror or error}", reached=False) from error
        try:
            places = asyncio.Semaphore(AT_ONCE)
            answers = await asyncio.gather(*(self._one(protocol, places, session, what) for session in sessions))
        finally:
            transport.close()
        return dict(zip(sessions, answers, strict=True))

    async def _one(
        self, exchange: _Exchange, places: asyncio.Semaphore, session: SessionName, what: bytes
    ) -> CommandFailed | None:
        attributes = [
            codec.attribute(Attribute.ACCT_SESSION_ID, session.id.encode()),
            codec.integer(Attribute.EVENT_TIMESTAMP, int(self._clock())),
            codec.vendor_attribute(Vendor3gpp.IMSI, session.imsi.encode()),
            what,
        ]
        async with places:
            answer = await exchange.ask(attributes, self._timeout)
        name = exchange.change.name
        if answer is None:
            where = f"{self._host} port {self._port}"
            return CommandFailed(f"No answer to a {name} within {self._timeout:g} s: {where}", reached=False)
        if answer.code == exchange.change.ack:
            return None
        try:
            cause = answer.integer(Attribute.ERROR_CAUSE)
        except InvalidPacket:
            cause = None
        if cause == SESSION_NOT_FOUND:
            return SessionGone(f"The NAS does not know the session of a {name}")
        if cause is None:
            return ChangeRefused(f"The NAS refused a {name} without a cause")
        return ChangeRefused(f"The NAS refused a {name}: {cause} {_CAUSES.get(cause, '')}".rstrip())


class _Change(msgspec.Struct, frozen=True):
    """One of the two requests."""

    name: str
    request: Code
    ack: Code
    nak: Code


_DISCONNECT = _Change("Disconnect-Request", Code.DISCONNECT_REQUEST, Code.DISCONNECT_ACK, Code.DISCONNECT_NAK)
_COA = _Change("CoA-Request", Code.COA_REQUEST, Code.COA_ACK, Code.COA_NAK)


class _Exchange(asyncio.DatagramProtocol):
    """Requests that wait for their answers on one connected socket."""

    def __init__(self, secret: bytes, change: _Change) -> None:
        self.change = change
        self._secret = secret
        self._transport: asyncio.DatagramTransport | None = None
        self._waiting: dict[int, tuple[bytes, asyncio.Future[Packet]]] = {}
        """By Identifier: the request's authenticator, and who waits."""
        self._next = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, _address: tuple[Any, ...]) -> None:
        """An answer; what is broken, forged or answers nothing is left alone (RFC 5176 section 3)."""
        with contextlib.suppress(InvalidPacket):
            packet = codec.decode(data)
            waiting = self._waiting.get(packet.identifier)
            if waiting is None or packet.code not in (self.change.ack, self.change.nak):
                return
            authenticator, future = waiting
            if codec.is_authentic_response(packet, authenticator, self._secret) and not future.done():
                future.set_result(packet)

    def error_received(self, exc: Exception) -> None:
        """Nobody listens there at the moment: the request is sent again like one that was lost."""

    async def ask(self, attributes: list[bytes], seconds: float) -> Packet | None:
        """Send a request, the same octets again while no answer comes (RFC 5176 section 2.3); None: none came."""
        assert self._transport is not None
        while self._next in self._waiting:
            self._next = (self._next + 1) % 256
        identifier, self._next = self._next, (self._next + 1) % 256
        request = codec.encode_request(self.change.request, identifier, attributes, self._secret)
        future: asyncio.Future[Packet] = asyncio.get_running_loop().create_future()
        self._waiting[identifier] = (request[4 : codec.HEADER], future)
        wait = FIRST_WAIT
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    while not future.done():
                        self._transport.sendto(request)
                        await asyncio.wait([future], timeout=wait)
                        wait *= 2
            return future.result() if future.done() else None
        finally:
            del self._waiting[identifier]
