"""An MME of the attacker's floods Diameter S13 with checks: of its SIMs in ever other devices, and of other accounts'.

Beside it peers that never say what they can, that send half a message and no more, messages that no one can read or
that are longer than any; and somebody who is not registered.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from typing import TYPE_CHECKING

from tests.attacks import core_peers
from tests.attacks.attackers import Answers, clients

from simwarden.demo.processes import free_port
from simwarden.domain.identifiers import full_imei
from simwarden.southbound.s13 import checks, codec
from simwarden.southbound.s13.checks import APPLICATION, COMMAND, RESULT_CODE, SUCCESS
from simwarden.southbound.s13.codec import HEADER, REQUEST, TGPP, Avp, DiameterMessage
from simwarden.southbound.s13.link import CAPABILITIES
from simwarden.southbound.s13.receiver import TOO_BUSY
from simwarden.southbound.s13.source import KIND

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.attacks.target import Target

PORT = free_port()
SETTINGS = {"s13_port": str(PORT), "s13_checks": "4", "s13_watchdog_seconds": "6"}
EXPECTS = (
    (SUCCESS, "honest"),
    (SUCCESS, "flood"),
    (TOO_BUSY, "flood"),
    (checks.MISSING, "wrong"),
    (5014, "wrong"),
    (0, "silent hung up"),
    (0, "slow hung up"),
    (0, "unreadable hung up"),
    (0, "stranger hung up"),
)
COUNTED = tuple(
    f'simwarden_southbound_messages_total{{outcome="{outcome}",type="{status}"}}'
    for outcome, status in (
        *(("accepted", "WHITELISTED"), ("busy", ""), ("unknown_source", "")),
        *(("malformed", ""), ("silent", "")),
    )
)
MODEL = "35368966"
AT_ONCE = 50
HUNG_UP = 60.0
"""Seconds within which the server must have closed."""
PEER = (Avp(264, b"mme.example"), Avp(296, b"example"))
HELLO = codec.write(REQUEST, CAPABILITIES, 0, (1, 1), (*PEER, checks.application()))


def saying(length: int, message: bytes) -> bytes:
    """The message, which says that it has this length."""
    return message[:1] + length.to_bytes(3, "big") + message[4:]


CUT = saying(codec.LONGEST, HELLO[:HEADER])
UNREADABLE = (
    saying(codec.LONGEST + 4, HELLO),
    saying(HEADER + 1, HELLO),
    b"\xff" * 4096,
    b"GET / HTTP/1.1\r\nHost: eir\r\n\r\n",
)
BARE = codec.write(REQUEST, COMMAND, APPLICATION, (2, 2), (Avp(checks.SESSION_ID, b"mme;1;2"),))
BAD_AVP = saying(HEADER + 12, BARE[:HEADER]) + b"\0\0\x01\x07\x40\xff\xff\xff" + bytes(4)
WRONG = (BARE, BAD_AVP)


class DiameterPeer:
    """One connection from an address of the loopback."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def result(self) -> int:
        """The Result-Code of the next answer. Raises OSError, IncompleteReadError, TimeoutError."""
        async with asyncio.timeout(HUNG_UP):
            while True:
                data = await self._reader.readexactly(HEADER)
                head = codec.read_head(data)
                body = await self._reader.readexactly(head.length - HEADER)
                if not head.is_request:  # else the watchdog's question, which goes unanswered
                    break
        found = DiameterMessage(head, codec.read_avps(body)).first(RESULT_CODE)
        return 0 if found is None else int.from_bytes(found.data, "big")

    async def hung_up(self) -> None:
        """Wait until the server closes. Raises TimeoutError."""
        async with asyncio.timeout(HUNG_UP):
            with contextlib.suppress(OSError):
                while await self._reader.read(4096):
                    pass


@contextlib.asynccontextmanager
async def peer(address: str, *, hello: bool = True) -> AsyncIterator[DiameterPeer]:
    """A connection, on which capabilities were exchanged unless `hello` is False."""
    reader, writer = await asyncio.open_connection("127.0.0.1", PORT, local_addr=(address, 0))
    try:
        made = DiameterPeer(reader, writer)
        if hello:
            writer.write(HELLO)
            if await made.result() != SUCCESS:
                raise ConnectionRefusedError
        yield made
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def check_of(imsi: str, imei: str, number: int) -> bytes:
    """A request whether a device may be used with this SIM."""
    device = codec.group(checks.TERMINAL_INFORMATION, Avp(checks.IMEI, imei.encode(), TGPP), vendor=TGPP)
    avps = (Avp(checks.SESSION_ID, b"mme;1;%d" % number), *PEER, device, Avp(checks.USER_NAME, imsi.encode()))
    return codec.write(REQUEST, COMMAND, APPLICATION, (number & 0xFFFFFFFF, 0), avps)


@contextlib.asynccontextmanager
async def attack(target: Target) -> AsyncIterator[Answers]:
    """Four clients that check fifty at once, two that ask wrongly, eight that say nothing or little, a stranger, and an
    honest MME."""
    answers, numbers = Answers(), itertools.count(1)
    await core_peers.register(target, KIND)
    asked = check_of("999980000000001", "353689530707903", 1)
    async with contextlib.AsyncExitStack() as kept:
        connection: list[DiameterPeer] = []

        async def ask() -> int:
            try:
                if not connection:
                    connection.append(await kept.enter_async_context(peer(core_peers.HONEST)))
                connection[0].writer.write(asked)
                return await connection[0].result()
            except (OSError, asyncio.IncompleteReadError):
                connection.clear()
                return 0

        async def work(n: int) -> None:
            match n:
                case 0 | 1 | 2 | 3:
                    await floods()
                case 4 | 5:
                    async with peer(core_peers.HOSTILE) as opened:
                        for data in WRONG:
                            opened.writer.write(data)
                            answers.seen[await opened.result(), "wrong"] += 1
                case 6:
                    async with peer(core_peers.STRANGER, hello=False) as opened:
                        await hung_up(opened, "stranger")
                case 7:
                    async with peer(core_peers.HOSTILE, hello=False) as opened:
                        opened.writer.write(UNREADABLE[next(numbers) % len(UNREADABLE)])
                        await hung_up(opened, "unreadable")
                case 8 | 9 | 10:
                    async with peer(core_peers.HOSTILE, hello=False) as opened:
                        await hung_up(opened, "silent")
                case _:
                    async with peer(core_peers.HOSTILE) as opened:
                        opened.writer.write(CUT)
                        drips = asyncio.create_task(_drip(opened.writer))
                        try:
                            await hung_up(opened, "slow")
                        finally:
                            drips.cancel()

        async def floods() -> None:
            async with peer(core_peers.HOSTILE) as opened:
                for _ in range(AT_ONCE):
                    number = next(numbers)
                    tenant = target.honest if number % 3 == 0 else target.attacker
                    card = tenant.cards[number % len(tenant.cards)]
                    opened.writer.write(check_of(card.imsi, full_imei(f"{MODEL}{number % 1_000_000:06}"), number))
                for _ in range(AT_ONCE):
                    answers.seen[await opened.result(), "flood"] += 1

        async def hung_up(opened: DiameterPeer, who: str) -> None:
            await opened.hung_up()
            answers.seen[0, f"{who} hung up"] += 1

        async with core_peers.honest(ask, answers, right=SUCCESS), clients(14, work, answers, pause=0.05):
            yield answers


async def _drip(writer: asyncio.StreamWriter) -> None:
    """An octet of a long message now and then."""
    with contextlib.suppress(OSError, RuntimeError):
        while not writer.is_closing():
            writer.write(b"\0")
            await asyncio.sleep(0.5)


async def check(target: Target, answers: Answers) -> None:
    """The honest MME was served, and others' SIMs were not seen in any device of the flood's."""
    core_peers.always_served(answers)
    async with target.database() as db:
        query = "select count(*) from sim where imsi = any ($1) and seen_imei like $2"
        assert await db.fetchval(query, [card.imsi for card in target.honest.cards], f"{MODEL}%") == 0
        assert await db.fetchval(query, [card.imsi for card in target.attacker.cards], f"{MODEL}%") > 0
