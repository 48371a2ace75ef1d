"""One MSC or SGSN before its HLR: everything passes octet by octet, but for what is asked about devices.

A Check-IMEI is decided first: a device that may not be used is refused here, every other check goes on to the HLR. And
a Location Cancel can be put in, whose answer is kept here.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import OrderedDict
from typing import TYPE_CHECKING, Protocol

import structlog

from simwarden.southbound.osmo_hlr import gsup
from simwarden.southbound.osmo_hlr.gsup import Domain, ElementTag, FrameCutter, LinkMessage, MessageType, NotGsup
from simwarden.southbound.streams import write

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from simwarden.southbound.osmo_hlr.gsup import Frame, Message

IDENTIFY_SECONDS = 10.0
"""Until a peer has to have said who it is,"""
FRAME_SECONDS = 10.0
"""until a frame that began has to be complete, and until what is written to somebody has to be taken."""
PROBE_SECONDS = 5.0
"""A peer has to answer a ping when another one comes under its name,"""
CANCEL_SECONDS = 5.0
"""and a Location Cancel."""
_UPDATES_MOST = 4096
"""Location updates under way of which the domain is remembered."""
_READ = 16_384
_MESSAGE_CLASS, _SOURCE_NAME, _DESTINATION_NAME = 0x0A, 0x60, 0x61
_log = structlog.get_logger()


class Verdicts(Protocol):
    """What a relay asks of whoever has it."""

    async def device(self, imsi: str, imei: str | None) -> bool | None:
        """Whether a device may be used; None: that cannot be decided now."""

    def claims(self, relay: Relay) -> bool:
        """Whether a peer may have the name that it gives itself."""

    def registered(self, imsi: str) -> None:
        """The HLR accepted a location update."""

    def refused(self, relay: Relay, imsi: str, domain: Domain) -> None:
        """It refused one."""

    def deleted(self, relay: Relay, imsi: str) -> None:
        """It sent Delete Subscriber Data: the network access mode was changed."""

    def counted(self, outcome: str, message: str) -> None:
        """For the metrics."""


class Relay:
    """A connection of a peer, and the one to its HLR that belongs to it."""

    def __init__(
        self,
        peer: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        hlr: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        verdicts: Verdicts,
        *,
        checks: int,
        deny_undecided: bool,
    ) -> None:
        """`checks`: Check-IMEI under way at most. `deny_undecided`: what becomes of one that cannot be decided."""
        self._peer_reader, self._peer = peer
        self._hlr_reader, self._hlr = hlr
        self._verdicts = verdicts
        self._checks_most = checks
        self._deny_undecided = deny_undecided
        self._checks: set[asyncio.Task[None]] = set()
        self._cancels: dict[str, asyncio.Future[bool]] = {}
        self._updates: OrderedDict[str, Domain] = OrderedDict()
        self._pings: list[asyncio.Future[None]] = []
        """Ours, whose answers are not for the HLR."""
        self._identified = asyncio.Event()
        self.name: str | None = None

    async def run(self) -> None:
        """Pass on until either side hangs up or misbehaves; then both are hung up."""
        for writer in (self._peer, self._hlr):
            _keep_alive(writer)
        pumps: tuple[Coroutine[None, None, None], ...] = (
            self._pump(self._peer_reader, self._from_peer),
            self._pump(self._hlr_reader, self._from_hlr),
            self._wait_for_name(),
        )
        tasks = [asyncio.create_task(pump) for pump in pumps]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except NotGsup as error:
            self._verdicts.counted("malformed", "gsup")
            _log.warning("a GSUP connection is closed", peer=self.name, reason=str(error))
        except TimeoutError:
            self._verdicts.counted("slow", "gsup")
        except (OSError, EOFError):
            self._verdicts.counted("closed", "gsup")
        finally:
            for task in (*tasks, *self._checks):
                task.cancel()
            await asyncio.gather(*tasks, *self._checks, return_exceptions=True)
            self.abort()

    def abort(self) -> None:
        """Hang up both."""
        for writer in (self._peer, self._hlr):
            writer.transport.abort()
        for cancel in self._cancels.values():
            cancel.cancel()
        for ping in self._pings:
            ping.cancel()

    async def probe(self) -> None:
        """Ask the peer whether it is there, and hang up if it is not."""
        ping: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pings.append(ping)
        with contextlib.suppress(OSError):
            write(self._peer, gsup.link(LinkMessage.PING))
        done, _ = await asyncio.wait([ping], timeout=PROBE_SECONDS)
        if not done:
            self.abort()

    async def cancel(self, imsi: str, domain: Domain) -> bool:
        """Send a Location Cancel; returns whether the peer answered it.

        An answer that it does not know the subscriber is one: nothing of it goes on there.
        """
        if imsi in self._cancels:
            return False
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._cancels[imsi] = future
        elements = (ElementTag.CANCEL_TYPE, gsup.WITHDRAW), (ElementTag.CN_DOMAIN, bytes([domain]))
        try:
            write(self._peer, gsup.encode(MessageType.LOCATION_CANCEL_REQUEST, imsi, *elements))
            async with asyncio.timeout(CANCEL_SECONDS):
                return await future
        except (OSError, asyncio.CancelledError):
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            return False
        finally:
            del self._cancels[imsi]

    async def _wait_for_name(self) -> None:
        async with asyncio.timeout(IDENTIFY_SECONDS):
            await self._identified.wait()
        await asyncio.Event().wait()

    async def _pump(self, reader: asyncio.StreamReader, take: _Taker) -> None:
        cutter, loop = FrameCutter(), asyncio.get_running_loop()
        complete_by: float | None = None
        while True:
            async with asyncio.timeout_at(complete_by):
                data = await reader.read(_READ)
            if not data:
                raise EOFError
            frames = cutter.feed(data)
            for frame in frames:
                take(frame)
            if not cutter.waiting:
                complete_by = None
            elif frames or complete_by is None:
                complete_by = loop.time() + FRAME_SECONDS
            async with asyncio.timeout(FRAME_SECONDS):
                await self._hlr.drain()
                await self._peer.drain()

    def _from_peer(self, frame: Frame) -> None:
        if frame.link == LinkMessage.PONG and self._pings:
            ping = self._pings.pop()
            if not ping.done():
                ping.set_result(None)
            return
        if frame.link == LinkMessage.ID_RESP and self.name is None:
            self.name = gsup.name_of(frame)
            if self.name is None:
                raise NotGsup("a peer without a name")
            if not self._verdicts.claims(self):
                raise NotGsup(f"a second peer under the name {self.name}")
            self._identified.set()
        if frame.is_gsup:
            if self.name is None:
                raise NotGsup("a message of somebody who has not said who it is")
            if self._is_taken(gsup.decode(frame.payload), frame):
                return
        write(self._hlr, frame.raw)

    def _is_taken(self, message: Message, frame: Frame) -> bool:
        """Whether a peer's message does not go on to the HLR, or not yet."""
        imsi = message.imsi
        if imsi is None:
            return False
        if message.type in (MessageType.LOCATION_CANCEL_RESULT, MessageType.LOCATION_CANCEL_ERROR):
            future = self._cancels.get(imsi)
            if future is None:
                return False
            if not future.done():
                future.set_result(True)
            return True
        if message.type == MessageType.UPDATE_LOCATION_REQUEST:
            self._updates[imsi] = message.domain
            if len(self._updates) > _UPDATES_MOST:
                self._updates.popitem(last=False)
        if message.type != MessageType.CHECK_IMEI_REQUEST:
            return False
        if len(self._checks) >= self._checks_most:
            self._verdicts.counted("busy", "check-imei")
            self._answer(message, MessageType.CHECK_IMEI_ERROR, ElementTag.CAUSE, gsup.CONGESTION)
            return True
        task = asyncio.create_task(self._check(message, imsi, frame), name=f"check-imei-{self.name}")
        self._checks.add(task)
        task.add_done_callback(self._checks.discard)
        return True

    async def _check(self, message: Message, imsi: str, frame: Frame) -> None:
        allowed = await self._verdicts.device(imsi, message.imei)
        with contextlib.suppress(OSError):  # a side has gone: the pumps end
            self._say(message, frame, allowed=allowed)

    def _say(self, message: Message, frame: Frame, *, allowed: bool | None) -> None:
        if allowed is None and self._deny_undecided:
            self._verdicts.counted("undecided", "check-imei")
            self._answer(message, MessageType.CHECK_IMEI_ERROR, ElementTag.CAUSE, gsup.NETWORK_FAILURE)
        elif allowed is False:
            self._verdicts.counted("refused", "check-imei")
            self._answer(message, MessageType.CHECK_IMEI_RESULT, ElementTag.IMEI_RESULT, gsup.NACK)
        else:
            self._verdicts.counted("undecided" if allowed is None else "accepted", "check-imei")
            write(self._hlr, frame.raw)  # which keeps the device, and answers

    def _answer(self, message: Message, type_: int, tag: int, value: bytes) -> None:
        """Answer in the place of the HLR, as libosmocore makes an answer of a request."""
        more = [(tag, value)]
        if _MESSAGE_CLASS in message.elements:
            more.append((_MESSAGE_CLASS, message.elements[_MESSAGE_CLASS]))
        if _SOURCE_NAME in message.elements:
            more.append((_DESTINATION_NAME, message.elements[_SOURCE_NAME]))
        assert message.imsi is not None
        write(self._peer, gsup.encode(type_, message.imsi, *more))

    def _from_hlr(self, frame: Frame) -> None:
        write(self._peer, frame.raw)
        if not frame.is_gsup:
            return
        try:
            message = gsup.decode(frame.payload)
        except NotGsup:
            return  # the peer's to judge
        if message.imsi is None:
            return
        if message.type == MessageType.UPDATE_LOCATION_RESULT:
            self._updates.pop(message.imsi, None)
            self._verdicts.registered(message.imsi)
        elif message.type == MessageType.UPDATE_LOCATION_ERROR:
            domain = self._updates.pop(message.imsi, None)
            if domain is not None:
                self._verdicts.refused(self, message.imsi, domain)
        elif message.type == MessageType.DELETE_DATA_REQUEST:
            self._verdicts.deleted(self, message.imsi)


class _Taker(Protocol):
    def __call__(self, frame: Frame, /) -> None: ...


def _keep_alive(writer: asyncio.StreamWriter) -> None:
    """Find out within two minutes that the other side is gone without a word."""
    found = writer.get_extra_info("socket")
    if found is None:
        return
    with contextlib.suppress(OSError):
        found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30)
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10)
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 6)
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
