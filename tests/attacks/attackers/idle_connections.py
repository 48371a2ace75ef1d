"""Connections on which nothing comes, or half a head, and never more."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from tests.attacks.attackers import Answers, clients
from tests.attacks.wire import wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.attacks.target import Target

EXPECTS = ((200, "closed silent"), (200, "closed half a head"), (200, "closed after an answer"))
SETTINGS = {"head_seconds": "3", "connections": "200"}
KINDS = {
    "silent": b"",
    "half a head": b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ",
    "after an answer": b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
}


@contextlib.asynccontextmanager
async def attack(target: Target) -> AsyncIterator[Answers]:
    """Half as many as the server holds open."""
    answers = Answers()

    async def work(n: int) -> None:
        name, first = list(KINDS.items())[n % len(KINDS)]
        async with wire(target) as connection:
            await connection.send(first)
            await connection.closed()
            answers.seen[200, f"closed {name}"] += 1

    async with clients(100, work, answers):
        yield answers
