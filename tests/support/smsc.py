"""A message centre for tests: takes binds and messages, delivers, and notes what it is answered."""

from __future__ import annotations

import asyncio
from typing import Self

from simwarden.southbound.smpp import codec
from simwarden.southbound.smpp.codec import RESPONSE, CommandId, CommandStatus, Pdu, ShortMessage


def deliver_sm(sequence: int, message: ShortMessage) -> Pdu:
    """deliver_sm (4.6.1), which message centres send."""
    return Pdu(CommandId.DELIVER_SM, 0, sequence, codec.body_of(message))


class MessageCentre:
    """Listens on a free port of the loopback address."""

    def __init__(self) -> None:
        self.port = 0
        self.binds = 0
        self.submitted: list[ShortMessage] = []
        self.status = CommandStatus.OK
        """What submit_sm is answered with."""
        self.is_mute = False
        """It answers no submit_sm."""
        self.answers: dict[int, int] = {}
        """command_status by sequence number of what was delivered."""
        self._sequence = 0
        self._changed = asyncio.Event()
        self._writers: list[asyncio.StreamWriter] = []
        self._bound: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self.hang_up()
        self._server.close()

    def hang_up(self) -> None:
        """Break all connections off."""
        for writer in self._writers:
            writer.close()
        self._writers.clear()

    def stop_reading(self) -> None:
        """Leave what is sent by the connections that there are where it is."""
        for writer in self._writers:
            writer.transport.pause_reading()  # type: ignore[attr-defined]

    async def until_bound(self, count: int = 1) -> None:
        """Wait for so many binds in all."""
        await self._until(lambda: self.binds >= count)

    async def until_submitted(self, count: int) -> None:
        """Wait for so many messages in all."""
        await self._until(lambda: len(self.submitted) >= count)

    def deliver(self, message: ShortMessage) -> int:
        """Hand a message over by the newest connection; returns its sequence number."""
        self._sequence += 1
        self._writers[-1].write(codec.encode(deliver_sm(self._sequence, message)))
        return self._sequence

    async def delivered(self, message: ShortMessage) -> int:
        """The same, and what it is answered with."""
        sequence = self.deliver(message)
        await self._until(lambda: sequence in self.answers)
        return self.answers[sequence]

    async def delivered_or_cut(self, message: ShortMessage) -> int | None:
        """Hand a message over; what it is answered with, None when its connection ends before."""
        await self._until(lambda: any(not one.is_closing() for one in self._bound))
        writer = [one for one in self._bound if not one.is_closing()][-1]
        self._sequence += 1
        sequence = self._sequence
        writer.write(codec.encode(deliver_sm(sequence, message)))
        await self._until(lambda: sequence in self.answers or writer.is_closing())
        return self.answers.get(sequence)

    async def _until(self, what: object) -> None:
        async with asyncio.timeout(60):
            while not what():  # type: ignore[operator]
                self._changed.clear()
                await self._changed.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        decoder = codec.Decoder()
        self._writers.append(writer)
        try:
            while data := await reader.read(4096):
                for pdu in decoder.feed(data):
                    self._take(pdu, writer)
                self._changed.set()
        except OSError:
            pass
        finally:
            writer.close()
            self._changed.set()

    def _take(self, pdu: Pdu, writer: asyncio.StreamWriter) -> None:
        if pdu.command == CommandId.BIND_TRANSCEIVER:
            self.binds += 1
            self._bound.append(writer)
            writer.write(codec.encode(Pdu(pdu.command | RESPONSE, 0, pdu.sequence, b"centre\0")))
        elif pdu.command == CommandId.SUBMIT_SM:
            self.submitted.append(codec.read_message(pdu.body))
            if not self.is_mute:
                writer.write(codec.encode(Pdu(pdu.command | RESPONSE, self.status, pdu.sequence, b"id-1\0")))
        elif pdu.command == CommandId.DELIVER_SM | RESPONSE:
            self.answers[pdu.sequence] = pdu.status
        elif pdu.command in (CommandId.ENQUIRE_LINK, CommandId.UNBIND):
            writer.write(codec.encode(codec.answer(pdu)))
