"""An SMF of the attacker's opens sessions without end, and keeps the CHF busy with bodies that never come.

The sessions are of its own account's SIMs, of others' and of SIMs that nobody registered; none is released. Beside it
somebody who is not registered sends the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from typing import TYPE_CHECKING

import msgspec
from tests.attacks import core_peers
from tests.attacks.attackers import Answers, clients
from tests.attacks.wire import head, wire
from tests.support.charging import CHARGING

from simwarden.demo.processes import free_port
from simwarden.domain.identifiers import full_imei
from simwarden.southbound.chf.receiver import PATH
from simwarden.southbound.chf.source import KIND
from simwarden.store.charging import MOST

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import aiohttp
    from tests.attacks.target import Target

PORT = free_port()
SETTINGS = {"chf_port": str(PORT), "chf_requests": "160"}
SLOW = 100
"""Connections with bodies that never end: more than an element has, and than slow bodies of one address are let."""
EXPECTS = ((201, "honest"), (201, ""), (503, ""), (429, ""), (403, ""))
COUNTED = (
    'simwarden_session_reports_total{news="foreign"}',
    'simwarden_refused_requests_total{reason="bodies_of_address"}',
    *(
        f'simwarden_southbound_messages_total{{outcome="{outcome}",type="{kind}"}}'
        for outcome, kind in (("accepted", "create"), ("busy", ""), ("unknown_source", ""), ("malformed", ""))
    ),
)
DEVICE = "35368953777777"
URL = f"http://127.0.0.1:{PORT}{PATH}"


@contextlib.asynccontextmanager
async def attack(target: Target) -> AsyncIterator[Answers]:
    """Four clients that open sessions, the bodies that never end, a stranger, and an honest SMF."""
    answers, numbers = Answers(), itertools.count()
    await core_peers.register(target, KIND)
    async with (
        target.session(core_peers.HONEST) as own,
        target.session(core_peers.HOSTILE) as hostile,
        target.session(core_peers.STRANGER) as stranger,
    ):

        async def session_of(imsi: str, sender: aiohttp.ClientSession) -> int:
            body = msgspec.json.encode(request(imsi, next(numbers)))
            async with sender.post(URL, data=body) as answer:
                await answer.read()
                return answer.status

        async def opens(n: int) -> None:
            tenant = target.honest if n == 1 else target.attacker
            number = next(numbers)
            imsi = f"99999{number % 500:010}" if n == 2 else tenant.cards[number % 20].imsi
            answers.seen[await session_of(imsi, stranger if n == 3 else hostile), ""] += 1

        async with (
            core_peers.honest(lambda: session_of("999980000000001", own), answers, right=201),
            clients(SLOW, lambda _: _never_ends(target, answers), answers, pause=0.5),
            clients(4, opens, answers, pause=0.02),
        ):
            yield answers


def request(imsi: str, number: int) -> dict[str, object]:
    """A create, another one for each number."""
    session = CHARGING["pDUSessionChargingInformation"] | {
        "userInformation": {"servedPEI": f"imei-{full_imei(DEVICE)}"}
    }
    about = {"subscriberIdentifier": f"imsi-{imsi}", "chargingId": number, "pDUSessionChargingInformation": session}
    return CHARGING | about


async def _never_ends(target: Target, answers: Answers) -> None:
    async with wire(target, core_peers.HOSTILE, PORT) as connection:
        await connection.send(head("POST", PATH, "Content-Type: application/json", "Content-Length: 10000") + b"{")
        answer = asyncio.create_task(connection.answer())
        try:
            while not answer.done():
                await asyncio.wait([answer], timeout=1.0)
                if not answer.done():
                    await connection.send(b" ")
        finally:
            answer.cancel()
        status, _, body = await answer
        answers.count(status, body)


async def check(target: Target, answers: Answers) -> None:
    """The honest SMF was served, others' SIMs are as they were, and what is kept of the sessions is bounded."""
    core_peers.always_served(answers)
    async with target.database() as db:
        of_others = [card.imsi for card in target.honest.cards]
        assert await db.fetchval("select count(*) from session where imsi = any ($1)", of_others) == 0
        assert (
            await db.fetchval("select count(*) from sim where imsi = any ($1) and seen_imei = $2", of_others, DEVICE)
            == 0
        )
        kept = await db.fetch("select count(*) as n from charging_session group by bucket, imsi, element_id")
        assert max(row["n"] for row in kept) <= MOST
