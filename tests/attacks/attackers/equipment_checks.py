"""An AMF of the attacker's floods the EIR with checks: of its account's SIMs in ever other devices, and of others'.

Beside them checks that cannot be read, bodies where there are none, connections on which nothing comes; and somebody
who is not registered asks the same.
"""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING

from tests.attacks import core_peers
from tests.attacks.attackers import Answers, clients
from tests.attacks.wire import wire

from simwarden.demo.processes import free_port
from simwarden.domain.identifiers import full_imei
from simwarden.southbound.eir.codec import PATH
from simwarden.southbound.eir.source import KIND

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import aiohttp
    from tests.attacks.target import Target

PORT = free_port()
SETTINGS = {"eir_port": str(PORT), "eir_checks": "4"}
IDLE = 100
EXPECTS = ((200, "honest"), (200, "WHITELISTED"), (403, ""), (400, ""), (414, ""), (405, ""), (404, ""), (503, ""))
COUNTED = tuple(
    f'simwarden_southbound_messages_total{{outcome="{outcome}",type="{status}"}}'
    for outcome, status in (("accepted", "WHITELISTED"), ("busy", ""), ("unknown_source", ""), ("malformed", ""))
)
MODEL = "35368977"
URL = f"http://127.0.0.1:{PORT}{PATH}"
WRONG = (
    ("GET", f"{URL}?pei=imei-1"),
    ("GET", f"{URL}?pei=imei-{'9' * 4000}"),
    ("GET", f"{URL}x?pei=mac-1"),
    ("POST", f"{URL}?pei=imei-353689530707903"),
    ("GET", f"{URL}?pei=mac-00-11-22-33-44-55&supi=imsi-1234567"),
)


@contextlib.asynccontextmanager
async def attack(target: Target) -> AsyncIterator[Answers]:
    """Twelve clients that check, one that asks what cannot be read, a stranger, idle connections, and an honest AMF."""
    answers, numbers = Answers(), itertools.count()
    await core_peers.register(target, KIND)
    async with (
        target.session(core_peers.HONEST) as own,
        target.session(core_peers.HOSTILE) as hostile,
        target.session(core_peers.STRANGER) as stranger,
    ):

        async def asks(sender: aiohttp.ClientSession, method: str, url: str) -> int:
            body = b"x" * 10_000 if method == "POST" else None
            async with sender.request(method, url, data=body) as answer:
                found = await answer.json(content_type=None)
                if sender is not own:
                    answers.seen[answer.status, str(found["status"]) if answer.status == 200 else ""] += 1
                return answer.status

        async def checks(n: int) -> None:
            number = next(numbers)
            if n == 0:
                await asks(hostile, *WRONG[number % len(WRONG)])
                return
            tenant = target.honest if number % 3 == 0 else target.attacker
            card = tenant.cards[number % len(tenant.cards)]
            device = full_imei(f"{MODEL}{number % 1_000_000:06}")
            await asks(stranger if n == 1 else hostile, "GET", f"{URL}?pei=imei-{device}&supi=imsi-{card.imsi}")

        async def idles(_: int) -> None:
            async with wire(target, core_peers.HOSTILE, PORT) as connection:
                await connection.send(b"GET / HTTP/1.1\r\nX-Slow: ")
                await connection.closed()

        pei = f"{URL}?pei=imei-353689530707903&supi=imsi-999980000000001"
        async with (
            core_peers.honest(lambda: asks(own, "GET", pei), answers, right=200),
            clients(IDLE, idles, answers, pause=1.0),
            clients(12, checks, answers, pause=0.01),
        ):
            yield answers


async def check(target: Target, answers: Answers) -> None:
    """The honest AMF was served, and others' SIMs were not seen in any device of the flood's."""
    core_peers.always_served(answers)
    async with target.database() as db:
        query = "select count(*) from sim where imsi = any ($1) and seen_imei like $2"
        assert await db.fetchval(query, [card.imsi for card in target.honest.cards], f"{MODEL}%") == 0
        assert await db.fetchval(query, [card.imsi for card in target.attacker.cards], f"{MODEL}%") > 0
