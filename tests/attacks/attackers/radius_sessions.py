"""A NAS pinned to the attacker's account invents sessions of its own SIMs and of others', as fast as it can."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from tests.attacks.attackers import Answers, clients
from tests.support.nas import SECRET, TestNas, accounting

from simwarden.demo.processes import free_port
from simwarden.engine.sessions import MOST
from simwarden.settings import Settings
from simwarden.settings.keys import master_key
from simwarden.southbound.radius.accounting import AccountingStatus
from simwarden.southbound.radius.book import KIND, REFRESH
from simwarden.store.gateways import Gateways
from simwarden.store.vault import Vault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.attacks.target import Target

PORT = free_port()
SETTINGS = {"radius_port": str(PORT)}
EXPECTS = ((200, "answered"),)
COUNTED = ('simwarden_session_reports_total{news="foreign"}', 'simwarden_session_reports_total{news="began"}')
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
        senders = [await stack.enter_async_context(TestNas()) for _ in range(4)]
        for sender in senders:
            await sender.connect(PORT)
        await asyncio.sleep(REFRESH)  # until then the address is unknown

        def packet(n: int, number: int) -> bytes:
            tenant = target.honest if number % 3 == 0 else target.attacker
            card = tenant.cards[number % len(tenant.cards)]
            imei = f"35368953{number % 1_000_000:06}01"
            return senders[n].packet(accounting(AccountingStatus.START, f"s{n}-{number}", imsi=card.imsi, imei=imei))

        async def work(n: int) -> None:
            first = answers.total * BURST
            for number in range(first, first + BURST):
                senders[n].send(packet(n, number))
            await senders[n].ask(packet(n, first + BURST))
            answers.count(200, '{"code": "answered"}')

        async with clients(4, work, answers):
            yield answers


async def check(target: Target, _answers: Answers) -> None:
    """Others' SIMs have no session by it, and its own have as many as are kept."""
    async with target.database() as db:
        kept = dict(await db.fetch("select imsi, count(*) from session group by imsi"))
        assert max(kept.values()) <= MOST
        assert not kept.keys() & {card.imsi for card in target.honest.cards}
        imsis = [card.imsi for card in target.honest.cards]
        assert (
            await db.fetchval("select count(*) from sim where imsi = any ($1) and seen_imei like '35368953%'", imsis)
            == 0
        )
