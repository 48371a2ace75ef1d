"""Bodies that come one byte at a time, most of them without credentials, on many connections."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from tests.attacks.attackers import Answers, clients
from tests.attacks.wire import doors, wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.attacks.target import Target

CONNECTIONS = 1300
EXPECTS = (
    (400, "invalid_request"),
    (400, "INVALID_ARGUMENT"),
    (408, "408"),
    (429, "slow_down"),
    (429, "TOO_MANY_REQUESTS"),
    (429, "429"),
)
COUNTED = (
    'simwarden_refused_requests_total{reason="body_too_slow"}',
    'simwarden_refused_requests_total{reason="bodies_of_address"}',
)


@contextlib.asynccontextmanager
async def attack(target: Target) -> AsyncIterator[Answers]:
    """Every door, from three addresses; one of them keeps below the limit on one address, and is too slow."""
    answers = Answers()
    kinds = doors(target)

    async def work(n: int) -> None:
        patient = n < 30
        async with wire(target, "127.0.0.2" if patient else f"127.0.0.{3 + n % 2}") as connection:
            await connection.send(kinds[n % len(kinds)]("Content-Length: 10000") + b"{")
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

    async with clients(CONNECTIONS, work, answers, pause=0.2):
        yield answers
