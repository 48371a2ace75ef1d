"""Message centres flood the server with messages and parts, send garbage, or take what it sends and read nothing."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from tests.attacks.attackers import Answers, clients
from tests.support.smsc import deliver_sm

from simwarden.settings import Settings
from simwarden.settings.keys import master_key
from simwarden.southbound.smpp import codec
from simwarden.southbound.smpp.codec import RESPONSE, CommandId, Pdu, ShortMessage
from simwarden.store.gateways import Gateways
from simwarden.store.vault import Vault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.attacks.target import Target

EXPECTS = ((200, "bound"), (200, "answered"), (200, "again"))
COUNTED = ('simwarden_southbound_messages_total{outcome="taken"',)
SETTINGS = {"smpp_window": "20"}
BURST = 40
GARBAGE = (
    b"\x00\x00\x00\x05\x00",
    b"\xff\xff\xff\xff" + bytes(12),
    b"GET / HTTP/1.1\r\n\r\n",
    codec.encode(Pdu(CommandId.DELIVER_SM, 0, 7, b"\xff" * 300)),
)


class Centre:
    """Listens; what it does with a connection is its kind's."""

    def __init__(self, kind: str, answers: Answers) -> None:
        self.kind = kind
        self.port = 0
        self._answers = answers
        self._number = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """On a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        """With all its connections."""
        self._server.close()
        for task in self._tasks:
            task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._speak(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _speak(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        decoder = codec.Decoder()
        while data := await reader.read(4096):
            for pdu in decoder.feed(data):
                if pdu.command == CommandId.BIND_TRANSCEIVER:
                    writer.write(codec.encode(Pdu(pdu.command | RESPONSE, 0, pdu.sequence, b"centre\0")))
                    self._answers.count(200, '{"code": "bound"}')
                    if self.kind == "garbage":
                        self._number += 1
                        writer.write(GARBAGE[self._number % len(GARBAGE)])
                        self._answers.count(200, '{"code": "again"}')
                    elif self.kind == "deaf":
                        self._flood(writer)
                        await asyncio.sleep(3600)
                    else:
                        self._flood(writer)
                elif pdu.command == CommandId.DELIVER_SM | RESPONSE:
                    self._answers.count(200, '{"code": "answered"}')
                    self._number += 1
                    if self._number % BURST == 0:
                        await asyncio.sleep(0.1)
                        self._flood(writer)

    def _flood(self, writer: asyncio.StreamWriter) -> None:
        """Whole messages, and first parts of ones of which the rest never comes."""
        for n in range(BURST):
            part = bytes((5, 0, 3, n, 255, 1)) if n % 2 else b""
            message = ShortMessage(
                source=f"855{self._number + n:08}",
                destination=f"86660{n:08}",
                message=part + b"flood %d" % (self._number + n),
                esm_class=0x40 if part else 0,
            )
            writer.write(codec.encode(deliver_sm(self._number + n + 1, message)))


@contextlib.asynccontextmanager
async def attack(target: Target) -> AsyncIterator[Answers]:
    """One of each kind."""
    answers = Answers()
    centres = [Centre(kind, answers) for kind in ("flood", "garbage", "deaf")]
    async with target.database() as db:
        gateways = Gateways(db, Vault(master_key(Settings(data_dir=str(target.directory / "data")))))
        for centre in centres:
            await centre.open()
            await gateways.add(
                f"centre-{centre.kind}",
                kind="smpp",
                command_url=f"smpp://127.0.0.1:{centre.port}",
                username="attacker",
                password="s3cret",
            )

    async def idle(_n: int) -> None:
        await asyncio.sleep(0.5)

    try:
        async with clients(1, idle, answers):
            yield answers
    finally:
        for centre in centres:
            centre.close()


async def check(target: Target, answers: Answers) -> None:
    """Parts that wait are sealed, and nothing is the honest tenant's."""
    del answers
    async with target.database() as db:
        honest = [card.imsi for card in target.honest.cards]
        assert await db.fetchval("select count(*) from sms where imsi = any ($1)", honest) == 0
        for row in await db.fetch("select sealed from smpp_part limit 100"):
            assert b"flood" not in row["sealed"]
