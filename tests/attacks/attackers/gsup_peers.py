"""Peers before an HLR of the attacker: silent, nameless, with endless frames, or checking other accounts' SIMs."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from tests.attacks.attackers import Answers, clients

from simwarden.demo.processes import free_port
from simwarden.settings import Settings
from simwarden.settings.keys import master_key
from simwarden.simulator.core import CoreNode, NotRegistered
from simwarden.southbound.address_book import REFRESH
from simwarden.southbound.osmo_hlr import gsup
from simwarden.southbound.osmo_hlr.gsup import Domain, LinkMessage
from simwarden.southbound.osmo_hlr.poller import KIND
from simwarden.store.gateways import Gateways
from simwarden.store.vault import Vault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.attacks.target import Target

PORT = free_port()
SETTINGS = {"osmo_hlr_gsup_port": str(PORT), "osmo_hlr_gsup_peers": "12", "osmo_hlr_poll_rate": "0"}
EXPECTS = ((200, "passed"), (403, "hung up"))
COUNTED = (
    'simwarden_southbound_messages_total{outcome="malformed",type="gsup"}',
    'simwarden_southbound_messages_total{outcome="too_many",type="gsup"}',
)
SAID = (
    b"",
    b"\xff\xff\xee",
    gsup.identity("x" * 99),
    gsup.identity("m") + b"\x00\x09\xee\x05",
    b"\x00\x02\xee\x05\x30",
)


@contextlib.asynccontextmanager
async def attack(target: Target) -> AsyncIterator[Answers]:
    """Twelve peers, of whom seven stay, and there is room for six of one HLR."""
    answers = Answers()
    writers: set[asyncio.StreamWriter] = set()

    async def hlr(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Says hello, and echoes what comes."""
        writers.add(writer)
        with contextlib.suppress(OSError):
            writer.write(gsup.link(LinkMessage.ID_GET))
            while data := await reader.read(4096):
                writer.write(data)
        writer.close()

    server = await asyncio.start_server(hlr, "127.0.0.1", 0)
    async with target.database() as db:
        gateways = Gateways(db, Vault(master_key(Settings(data_dir=str(target.directory / "data")))))
        made, _ = await gateways.add(
            "attacker-hlr",
            kind=KIND,
            command_url=f"osmo-hlr://127.0.0.1?gsup={server.sockets[0].getsockname()[1]}",
            username=None,
            password=None,
            source_addresses=["127.0.0.1/32"],
            account_id=target.attacker.account_id,
        )
    assert made
    await asyncio.sleep(REFRESH + 1)  # until then the address is unknown

    async def work(n: int) -> None:
        if n % 3 == 0:
            node = CoreNode(f"MSC-{n}", Domain.CIRCUIT)
            try:
                await node.connect("127.0.0.1", PORT)
                for number in range(50):
                    card = target.honest.cards[number % len(target.honest.cards)]
                    node.write(_check(card.imsi, number))
                with contextlib.suppress(NotRegistered, TimeoutError):
                    async with asyncio.timeout(1):
                        await node.check_imei(target.honest.cards[0].imsi, "35368953000099")
                answers.count(200, '{"code": "passed"}')
            finally:
                await node.close()
            return
        reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
        try:
            writer.write(SAID[n % len(SAID)])
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(2):
                    while await reader.read(100):
                        pass
                answers.count(403, '{"code": "hung up"}')
        finally:
            writer.close()

    try:
        async with clients(12, work, answers, pause=0.02):
            yield answers
    finally:
        server.close()
        for writer in writers:
            writer.close()


def _check(imsi: str, number: int) -> bytes:
    imei = b"\x07" + gsup.bcd(f"35368953{number:06}")
    return gsup.encode(gsup.MessageType.CHECK_IMEI_REQUEST, imsi, (gsup.ElementTag.IMEI, imei))


async def check(target: Target, _answers: Answers) -> None:
    """Another account's SIMs were not seen in these devices."""
    async with target.database() as db:
        query = "select count(*) from sim where imsi = any ($1) and seen_imei like '35368953%'"
        assert await db.fetchval(query, [card.imsi for card in target.honest.cards]) == 0
