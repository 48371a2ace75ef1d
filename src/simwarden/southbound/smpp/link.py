"""One connection to a message centre: bound as a transceiver, and bound again whenever it breaks."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from typing import TYPE_CHECKING

import structlog

from simwarden.domain.errors import StoreUnavailable
from simwarden.engine.ports import CommandFailed
from simwarden.southbound.smpp import codec
from simwarden.southbound.smpp.codec import RESPONSE, CommandId, CommandStatus, Pdu, ProtocolError
from simwarden.southbound.streams import write

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from simwarden.southbound.smpp.codec import ShortMessage
    from simwarden.southbound.smpp.intake import SmppIntake

TIMEOUT = 10.0
"""Seconds for connecting, and for every answer."""
FIRST_PAUSE = 1.0
"""Seconds from the end of a connection to the next attempt to bind,"""
LONGEST_PAUSE = 30.0
"""and at most between two attempts, each of which comes after twice the time before."""
_READ = 64 * 1024
_log = structlog.get_logger()


class BindRefused(Exception):
    """The message centre does not let us in."""


class Link:
    """Keeps the connection to one message centre. `host`, `port`, `system_id`, `password`: how it is reached."""

    def __init__(
        self,
        name: str,
        address: tuple[str, int, ssl.SSLContext | None],
        credentials: tuple[str, str],
        intake: SmppIntake,
        *,
        window: int,
        enquire: float,
        counted: Callable[[str, str], None] = lambda _outcome, _type: None,
    ) -> None:
        self._name = name
        self._address = address
        self._credentials = credentials
        self._intake = intake
        self._window = window
        self._enquire = enquire
        self._counted = counted
        self._task: asyncio.Task[None] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._waiting: dict[int, asyncio.Future[Pdu]] = {}
        self._room = asyncio.Semaphore(window)
        self._sequence = 0
        self._pause = FIRST_PAUSE
        self.is_bound = False

    def start(self) -> None:
        """Connect, and stay connected."""
        self._task = asyncio.create_task(self._stay(), name=f"smpp-{self._name}")

    async def stop(self) -> None:
        """Unbind. What was stored and not answered comes again."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def submit(self, message: ShortMessage) -> Pdu:
        """Hand over a message when fewer than the window are under way; returns the answer.

        Raises CommandFailed where there is none.
        """
        async with self._room:
            if not self.is_bound:
                raise CommandFailed("The message centre is not connected")
            try:
                return await self._ask(codec.submit_sm(self._next(), message))
            except (OSError, TimeoutError) as error:
                raise CommandFailed("The message centre did not answer", reached=False) from error

    async def _stay(self) -> None:
        while True:
            try:
                await self._connected()
            except (OSError, TimeoutError, ProtocolError, BindRefused, asyncio.IncompleteReadError) as error:
                _log.warning("message centre not connected", element=self._name, reason=str(error) or repr(error))
            except StoreUnavailable as error:
                _log.warning("message centre waits", element=self._name, reason=error.message)
            except Exception:
                _log.exception("the connection to a message centre failed", element=self._name)
            await asyncio.sleep(self._pause)
            self._pause = min(2 * self._pause, LONGEST_PAUSE)

    async def _connected(self) -> None:
        """One connection, until it breaks."""
        host, port, tls = self._address
        async with asyncio.timeout(TIMEOUT):
            reader, self._writer = await asyncio.open_connection(host, port, ssl=tls)
        work: asyncio.Queue[Pdu] = asyncio.Queue(self._window)
        worker = asyncio.create_task(self._deliver(work, uuid.uuid4().hex))
        idle = asyncio.create_task(self._keep_alive())
        reading = asyncio.create_task(self._read(reader, work))
        try:
            answer = await self._ask(codec.bind_transceiver(self._next(), *self._credentials))
            if answer.status != CommandStatus.OK:
                raise BindRefused(f"bind_transceiver is answered with status {answer.status:#x}")
            self.is_bound, self._pause = True, FIRST_PAUSE
            _log.info("message centre connected", element=self._name)
            done, _ = await asyncio.wait({worker, idle, reading}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await self._close([worker, idle, reading])

    async def _close(self, tasks: list[asyncio.Task[None]]) -> None:
        self.is_bound = False
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(ConnectionResetError("The connection broke off"))
                future.exception()  # who waits is told; where nobody does, it is not logged
        self._waiting.clear()
        writer, self._writer = self._writer, None
        if writer is not None:
            with contextlib.suppress(OSError):
                try:
                    write(writer, codec.encode(Pdu(CommandId.UNBIND, 0, self._next())))
                finally:
                    writer.close()
                async with asyncio.timeout(1):
                    await writer.wait_closed()
            writer.transport.abort()  # if it still has something to write

    async def _read(self, reader: asyncio.StreamReader, work: asyncio.Queue[Pdu]) -> None:
        decoder = codec.Decoder()
        while data := await reader.read(_READ):
            for pdu in decoder.feed(data):
                if pdu.command == CommandId.DELIVER_SM:
                    await work.put(pdu)
                elif pdu.command in (CommandId.ENQUIRE_LINK, CommandId.UNBIND):
                    await self._write(codec.answer(pdu))
                elif pdu.command & RESPONSE:
                    waiting = self._waiting.pop(pdu.sequence, None)
                    if waiting is not None and not waiting.done():
                        waiting.set_result(pdu)
                else:
                    await self._write(Pdu(CommandId.GENERIC_NACK, CommandStatus.INVALID_COMMAND, pdu.sequence))
                if pdu.command == CommandId.UNBIND:
                    return
        raise ConnectionResetError("The message centre hung up")

    async def _deliver(self, work: asyncio.Queue[Pdu], session: str) -> None:
        """Store what is delivered, as much as there is at once, and answer it then."""
        while True:
            pdus = [await work.get()]
            while len(pdus) < self._window and not work.empty():
                pdus.append(work.get_nowait())
            handled = await self._intake.take([pdu.body for pdu in pdus], session)
            for pdu, each in zip(pdus, handled, strict=True):
                self._counted("taken" if each.status == CommandStatus.OK else "refused", "deliver_sm")
                await self._write(codec.answer(pdu, each.status))
            await self._intake.answered([each.mark for each in handled if each.mark is not None])

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(self._enquire)
            await self._ask(Pdu(CommandId.ENQUIRE_LINK, 0, self._next()))

    async def _ask(self, pdu: Pdu) -> Pdu:
        """Raises OSError, TimeoutError."""
        future: asyncio.Future[Pdu] = asyncio.get_running_loop().create_future()
        self._waiting[pdu.sequence] = future
        try:
            async with asyncio.timeout(TIMEOUT):  # a centre that reads nothing holds up the writing
                await self._write(pdu)
                return await future
        finally:
            self._waiting.pop(pdu.sequence, None)

    async def _write(self, pdu: Pdu) -> None:
        if self._writer is None:
            raise ConnectionResetError("The connection broke off")
        write(self._writer, codec.encode(pdu))
        await self._writer.drain()

    def _next(self) -> int:
        self._sequence = self._sequence % 0x7FFF_FFFE + 1
        return self._sequence
