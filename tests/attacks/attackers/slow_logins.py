"""Forms of the authorization server that come one byte at a time, most of them with credentials that are right."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from typing import TYPE_CHECKING

from tests.attacks.attackers import Answers, clients
from tests.attacks.wire import head, wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.attacks.target import Target

CONNECTIONS = 110
EXPECTS = ((400, "invalid_request"), (429, "slow_down"))
COUNTED = (
    'simwarden_refused_requests_total{reason="body_too_slow"}',
    'simwarden_refused_requests_total{reason="bodies_of_address"}',
)
PATHS = ("/oauth2/token", "/oauth2/bc-authorize", "/oauth2/introspect", "/oauth2/revoke")


@contextlib.asynccontextmanager
async def attack(target: Target) -> AsyncIterator[Answers]:
    """From two addresses; one of them keeps below the limit on one address, and is too slow."""
    answers = Answers()
    pair = f"{target.attacker.app_key}:{target.attacker.secret}".encode()
    known = f"Authorization: Basic {base64.b64encode(pair).decode()}"
    form = "Content-Type: application/x-www-form-urlencoded"

    async def work(n: int) -> None:
        credentials = (known,) if n % 4 else ()
        request = head("POST", PATHS[n % len(PATHS)], form, "Content-Length: 10000", *credentials)
        async with wire(target, "127.0.0.2" if n < 20 else "127.0.0.3") as connection:
            await connection.send(request + b"grant_type=client_credentials&x=")
            answer = asyncio.create_task(connection.answer())
            try:
                while not answer.done():
                    await asyncio.wait([answer], timeout=1.0)
                    if not answer.done():
                        await connection.send(b"x")
            finally:
                answer.cancel()
            status, _, body = await answer
            answers.count(status, body)

    async with clients(CONNECTIONS, work, answers, pause=0.2):
        yield answers


async def check(target: Target, answers: Answers) -> None:
    """Nothing was granted, and who sent slow forms with the right secret is not locked out."""
    assert {status for status, _ in answers.seen} <= {0, 400, 408, 429}, answers.seen
    await target.log_in(target.attacker)
