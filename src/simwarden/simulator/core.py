"""An MSC or SGSN for tests and demonstrations: a GSUP client that registers devices, and obeys the HLR."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Self

import msgspec

from simwarden.southbound.osmo_hlr import gsup
from simwarden.southbound.osmo_hlr.gsup import Domain, ElementTag, LinkMessage, Message, MessageType

if TYPE_CHECKING:
    from collections.abc import Callable

ANSWER_SECONDS = 20.0


class NotRegistered(Exception):
    """The HLR said no. `cause`: the octet of its error (TS 24.008 10.5.3.6); None: the device is not allowed."""

    def __init__(self, cause: int | None) -> None:
        super().__init__(f"cause {cause}")
        self.cause = cause


class Attached(msgspec.Struct):
    """A device that is registered."""

    imei: str | None
    cancelled: bool = False


class CoreNode:
    """Serves one domain under a name, over one connection. It has `attached` devices by IMSI until they are cancelled.

    `on_cancel(imsi)` is called when the HLR, or somebody before it, cancels a location.
    """

    def __init__(self, name: str, domain: Domain, on_cancel: Callable[[str], None] = lambda _imsi: None) -> None:
        self.name = name
        self.domain = domain
        self.attached: dict[str, Attached] = {}
        self.cancelled: list[str] = []
        self.deaf = False
        """It answers no cancellation."""
        self._on_cancel = on_cancel
        self._waiting: dict[tuple[int, str], asyncio.Future[Message]] = {}
        self._reading: asyncio.Task[None] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._ready = asyncio.Event()

    async def connect(self, host: str, port: int) -> Self:
        """Connect, and say who we are. Raises OSError, TimeoutError."""
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, self._writer = await asyncio.open_connection(host, port)
            self._reading = asyncio.create_task(self._read(reader), name=f"core-{self.name}")
            ready = asyncio.create_task(self._ready.wait())
            await asyncio.wait({ready, self._reading}, return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                ready.cancel()
                raise ConnectionResetError("hung up before it asked who we are")
        return self

    async def close(self) -> None:
        """Hang up."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        if self._writer is not None:
            self._writer.close()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()

    @property
    def is_connected(self) -> bool:
        """Whether the other side has not hung up."""
        return self._reading is not None and not self._reading.done()

    async def check_imei(self, imsi: str, imei: str) -> None:
        """Ask whether the device (14 digits) may be used. Raises NotRegistered, TimeoutError."""
        value = gsup.bcd(imei)
        answer = await self._ask(MessageType.CHECK_IMEI_REQUEST, imsi, (ElementTag.IMEI, bytes([len(value)]) + value))
        if answer.elements.get(ElementTag.IMEI_RESULT) != gsup.ACK:
            raise NotRegistered(None)

    async def register(self, imsi: str, imei: str | None = None) -> None:
        """What happens when a device comes: it is checked where an IMEI is given (`check-imei-rqd early`), then
        registered. Raises NotRegistered, TimeoutError.
        """
        if imei is not None:
            await self.check_imei(imsi, imei)
        self.attached.pop(imsi, None)
        await self._ask(MessageType.UPDATE_LOCATION_REQUEST, imsi, (ElementTag.CN_DOMAIN, bytes([self.domain])))
        self.attached[imsi] = Attached(imei)

    async def _ask(self, type_: int, imsi: str, *elements: tuple[int, bytes]) -> Message:
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting[type_, imsi] = future
        try:
            self.write(gsup.encode(type_, imsi, *elements))
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = await future
        finally:
            self._waiting.pop((type_, imsi), None)
        if answer.type == type_ + 1:
            cause = answer.elements.get(ElementTag.CAUSE, b"")
            raise NotRegistered(cause[0] if cause else 0)
        return answer

    def write(self, data: bytes) -> None:
        """Send octets as they are."""
        assert self._writer is not None
        self._writer.write(data)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        decoder = gsup.FrameCutter()
        while data := await reader.read(4096):
            for frame in decoder.feed(data):
                if frame.link == LinkMessage.PING:
                    self.write(gsup.link(LinkMessage.PONG))
                elif frame.link == LinkMessage.ID_GET:
                    self.write(gsup.identity(self.name))
                    self._ready.set()
                elif frame.is_gsup:
                    self._take(gsup.decode(frame.payload))

    def _take(self, message: Message) -> None:
        imsi = message.imsi or ""
        if message.type == MessageType.INSERT_DATA_REQUEST:
            self.write(gsup.encode(MessageType.INSERT_DATA_RESULT, imsi))
        elif message.type == MessageType.DELETE_DATA_REQUEST:
            # As osmo-msc does: not implemented, and what is registered stays.
            self.write(gsup.encode(MessageType.DELETE_DATA_ERROR, imsi, (ElementTag.CAUSE, b"\x61")))
        elif message.type == MessageType.LOCATION_CANCEL_REQUEST:
            if self.deaf:
                return
            known = self.attached.pop(imsi, None)
            self.cancelled.append(imsi)
            type_ = MessageType.LOCATION_CANCEL_RESULT if known else MessageType.LOCATION_CANCEL_ERROR
            cause = () if known else ((ElementTag.CAUSE, b"\x02"),)  # IMSI unknown
            self.write(gsup.encode(type_, imsi, *cause))
            self._on_cancel(imsi)
        else:
            waiting = self._waiting.get((message.type & ~3, imsi))
            if waiting is not None and not waiting.done():
                waiting.set_result(message)
