"""Where accounting comes in: one UDP socket. Answered after what a packet says is committed, else not at all.

A NAS sends again what is not answered (RFC 2866 section 4.1), so silence loses nothing: it is the answer to unknown
sources, to forged and broken packets, and while the database is away.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections import Counter, OrderedDict
from typing import TYPE_CHECKING, Any

import structlog

from simwarden.domain.errors import StoreUnavailable
from simwarden.engine.ingest import UnacceptableReport
from simwarden.kit.clock import now_utc
from simwarden.southbound.radius import accounting, codec
from simwarden.southbound.radius.codec import Code, InvalidPacket

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from simwarden.southbound.radius.accounting import Accounting
    from simwarden.southbound.radius.book import Nas
    from simwarden.southbound.radius.codec import Packet

_log = structlog.get_logger()
REMEMBERED = 10.0
"""Seconds for which an answer is given again to a retransmission (RFC 5080 section 2.2.2: 5 to 30)."""
REMEMBERED_MOST = 100_000
"""Answers remembered at most; the oldest are forgotten before their time."""
_RECEIVE_BUFFER = 4 << 20
_KEEPING_MOST = 100
_Key = tuple[Any, int, bytes]
"""Address and port of the sender, Identifier, Request Authenticator: the same packet once more."""


class AccountingReceiver(asyncio.DatagramProtocol):
    """`take_in` returns when what a packet says is committed, and raises StoreUnavailable or UnacceptableReport."""

    def __init__(
        self,
        nas_of: Callable[[str], Nas | None],
        take_in: Callable[[Nas, Accounting, datetime], Awaitable[None]],
        *,
        rejected: Callable[[Nas, str, bytes], Awaitable[None]],
        most: int,
        counted: Callable[[str, str], None] = lambda _outcome, _type: None,
        clock: Callable[[], datetime] = now_utc,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`nas_of(address)`: who is registered there. `most`: packets in work, half of them of one NAS.

        `counted(outcome, status)` is called once a packet. `rejected(nas, reason, packet)` keeps what a registered
        address sent and could not be used.
        """
        self._nas_of = nas_of
        self._take_in = take_in
        self._most = most
        self._counted = counted
        self._rejected = rejected
        self._clock = clock
        self._monotonic = monotonic
        self._transport: asyncio.DatagramTransport | None = None
        self._in_work: dict[_Key, asyncio.Task[None]] = {}
        self._keeping: set[asyncio.Task[None]] = set()
        self._of_nas: Counter[int] = Counter()
        self._answered: OrderedDict[_Key, tuple[float, bytes]] = OrderedDict()
        """Until when each is remembered, oldest first."""
        self._stopping = False

    async def listen(self, host: str, port: int) -> None:
        """Open the socket; worker processes share the port. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, (host, port), reuse_port=True)
        # The kernel gives as much of this as it allows (net.core.rmem_max).
        self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        assert self._transport is not None, "it listens"
        host, port = self._transport.get_extra_info("sockname")[:2]
        return host, port

    async def stop(self) -> None:
        """Take nothing more; what is in work is finished and answered first."""
        self._stopping = True
        while pending := [*self._in_work.values(), *self._keeping]:
            await asyncio.wait(pending)
        if self._transport is not None:
            self._transport.close()

    def datagram_received(self, data: bytes, address: tuple[Any, ...]) -> None:
        """One packet, or what somebody takes for one."""
        if self._stopping:
            return
        nas = self._nas_of(address[0])
        if nas is None:
            self._counted("unknown_source", "")
            return
        if len(self._in_work) >= self._most or self._of_nas[nas.ref.id] * 2 >= self._most:
            self._counted("busy", "")
            return
        now = self._clock()
        try:
            packet = codec.decode(data)
            if packet.code != Code.ACCOUNTING_REQUEST:
                raise InvalidPacket("code", f"Accounting is not taken from packets of code {packet.code}")
            if not codec.is_authentic_request(packet, nas.secret):
                raise InvalidPacket("forged", "The packet was not made with the secret of this NAS")
            if self._is_repeated(packet, address):
                self._counted("duplicate", "")
                return
            told = accounting.read(packet, now)
        except InvalidPacket as error:
            self._counted(error.reason, "")
            self._keep(nas, str(error), data)
            return
        key = (address, packet.identifier, packet.authenticator)
        self._of_nas[nas.ref.id] += 1
        task = asyncio.create_task(self._work(nas, told, packet, now, key), name=f"radius-{nas.ref.name}")
        self._in_work[key] = task

    def _is_repeated(self, packet: Packet, address: tuple[Any, ...]) -> bool:
        """Whether this very packet came before. It gets the same answer again, once there is one."""
        key = (address, packet.identifier, packet.authenticator)
        if key in self._in_work:
            return True
        kept = self._answered.get(key)
        if kept is None or kept[0] < self._monotonic():
            return False
        self._send(kept[1], address)
        return True

    async def _work(self, nas: Nas, told: Accounting, packet: Packet, now: datetime, key: _Key) -> None:
        kind = "other" if told.status is None else told.status.name.lower()
        try:
            await self._take_in(nas, told, now)
        except StoreUnavailable:
            self._counted("unavailable", kind)
        except UnacceptableReport as error:
            self._counted("unacceptable", kind)
            self._keep(nas, error.message, packet.raw)
        except Exception:  # the boundary: a fault of this server's
            _log.exception("accounting could not be taken in", nas=nas.ref.name)
            self._counted("failed", kind)
            self._keep(nas, "Not taken in because of a fault of this server, see its log", packet.raw)
        else:
            self._counted("accepted", kind)
            self._answer(nas, packet, key)
        finally:
            del self._in_work[key]
            self._of_nas[nas.ref.id] -= 1

    def _answer(self, nas: Nas, packet: Packet, key: _Key) -> None:
        prove = codec.Attribute.MESSAGE_AUTHENTICATOR in packet.attributes
        answer = codec.encode_response(Code.ACCOUNTING_RESPONSE, packet, nas.secret, prove=prove)
        now = self._monotonic()
        while self._answered and (
            len(self._answered) >= REMEMBERED_MOST or next(iter(self._answered.values()))[0] < now
        ):
            self._answered.popitem(last=False)
        self._answered[key] = now + REMEMBERED, answer
        self._send(answer, key[0])

    def _send(self, answer: bytes, address: tuple[Any, ...]) -> None:
        if self._transport is not None:
            self._transport.sendto(answer, address)

    def _keep(self, nas: Nas, reason: str, data: bytes) -> None:
        """Keep a packet for inspection, beside the work; when too many wait for that, no more."""
        if len(self._keeping) < _KEEPING_MOST:
            task = asyncio.create_task(self._keep_now(nas, reason, data), name=f"radius-reject-{nas.ref.name}")
            self._keeping.add(task)
            task.add_done_callback(self._keeping.discard)

    async def _keep_now(self, nas: Nas, reason: str, data: bytes) -> None:
        with contextlib.suppress(StoreUnavailable):  # counted already, and the NAS sends again
            await self._rejected(nas, reason, data)
