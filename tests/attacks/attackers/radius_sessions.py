"""A NAS pinned to the attacker's account invents sessions of its own SIMs and of others', as fast as it can.

Beside it somebody who does not know its secret sends from its address: forged and unproved Access-Requests and
accounting, truncated packets, 3GPP's attributes nested wrongly, one captured packet again and again; and floods from
an address that nobody is registered with.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING

from tests.attacks.attackers import Answers, clients
from tests.support.nas import SECRET, TestNas, access, accounting

from simwarden.demo.processes import free_port
from simwarden.engine.sessions import MOST
from simwarden.settings import Settings
from simwarden.settings.keys import master_key
from simwarden.southbound.address_book import REFRESH
from simwarden.southbound.radius import codec
from simwarden.southbound.radius.accounting import AccountingStatus
from simwarden.southbound.radius.codec import Code
from simwarden.southbound.radius.nas import KIND
from simwarden.store.gateways import Gateways
from simwarden.store.vault import Vault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.attacks.target import Target

PORT = free_port()
ACCESS_PORT = free_port()
SETTINGS = {"radius_port": str(PORT), "radius_access_port": str(ACCESS_PORT)}
EXPECTS = ((200, "answered"),)
COUNTED = (
    'simwarden_session_reports_total{news="foreign"}',
    'simwarden_session_reports_total{news="began"}',
    *(
        f'simwarden_southbound_messages_total{{outcome="{outcome}",type=""}}'
        for outcome in ("forged", "unproved", "vendor", "unknown_source", "duplicate")
    ),
)
BURST = 60
"""Packets that a client sends before it waits for an answer; Identifiers end at 255."""


@contextlib.asynccontextmanager
async def attack(target: Target) -> AsyncIterator[Answers]:
    """Four senders."""
    answers = Answers()
    async with target.database() as db:
        gateways = Gateways(db, Vault(master_key(Settings(data_dir=str(target.directory / "data")))))
        made, _ = await gateways.add(
            "attacker-nas",
            kind=KIND,
            command_url=None,
            username=None,
            password=SECRET.decode(),
            source_addresses=["127.0.0.1/32"],
        )
        await db.execute("update gateway set account_id = $1 where id = $2", target.attacker.account_id, made)
    async with contextlib.AsyncExitStack() as stack:
        forger, stranger = (stack.enter_context(_socket(address)) for address in ("127.0.0.1", "127.0.0.9"))
        senders = [await stack.enter_async_context(TestNas()) for _ in range(4)]
        for sender in senders:
            await sender.connect(PORT)
        await asyncio.sleep(REFRESH)  # until then the address is unknown

        def packet(n: int, number: int) -> bytes:
            tenant = target.honest if number % 3 == 0 else target.attacker
            card = tenant.cards[number % len(tenant.cards)]
            imei = f"35368953{number % 1_000_000:06}01"
            return senders[n].packet(accounting(AccountingStatus.START, f"s{n}-{number}", imsi=card.imsi, imei=imei))

        hostile = _hostile(target, packet(0, 1))

        async def work(n: int) -> None:
            for data in hostile:
                forger.sendto(data, ("127.0.0.1", ACCESS_PORT if data[:1] == b"\x01" else PORT))
                stranger.sendto(data, ("127.0.0.1", PORT))
            first = answers.total * BURST
            for number in range(first, first + BURST):
                senders[n].send(packet(n, number))
            await senders[n].ask(packet(n, first + BURST))
            answers.count(200, '{"code": "answered"}')

        async with clients(4, work, answers):
            yield answers


def _socket(address: str) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((address, 0))
    made.setblocking(False)
    return made


def _hostile(target: Target, captured: bytes) -> list[bytes]:
    """Packets about the honest tenant's SIMs, none of which may have any effect."""
    imsi, serial = target.honest.cards[0].imsi, "3536895300000101"
    told = accounting(AccountingStatus.START, "forged", imsi=imsi, imei=serial)
    asked = access(imsi, imei=serial)
    proved = codec.encode_proved_request(Code.ACCESS_REQUEST, 1, asked, b"guessed", bytes(16))
    bare = proved[:2] + (len(proved) - 18).to_bytes(2, "big") + proved[4:20] + proved[38:]
    nested = codec.attribute(26, (10415).to_bytes(4, "big") + b"\x01\xff" + imsi.encode())
    return [
        codec.encode_request(Code.ACCOUNTING_REQUEST, 1, told, b"guessed"),
        codec.encode_request(Code.ACCOUNTING_REQUEST, 2, [nested], SECRET),
        proved,
        bare,
        proved[:30],
        captured,
        captured[:-3],
        b"",
    ]


async def check(target: Target, _answers: Answers) -> None:
    """Others' SIMs have no session by it, and its own have as many as are kept."""
    async with target.database() as db:
        kept = dict(await db.fetch("select imsi, count(*) from session group by imsi"))
        assert max(kept.values()) <= MOST
        assert not kept.keys() & {card.imsi for card in target.honest.cards}
        assert await db.fetchval("select count(*) from session where key = 'forged'") == 0
        imsis = [card.imsi for card in target.honest.cards]
        assert (
            await db.fetchval("select count(*) from sim where imsi = any ($1) and seen_imei like '35368953%'", imsis)
            == 0
        )
