"""Malformed chunked bodies, and bodies cut short, at every door, as fast as they are answered."""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING

from tests.attacks.attackers import Answers, clients
from tests.attacks.wire import doors, wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.attacks.target import Target

EXPECTS = ((400, "invalid_request"), (400, "INVALID_ARGUMENT"), (400, "400"))
COUNTED = ('simwarden_refused_requests_total{reason="body_incomplete"}',)
CHUNKED = "Transfer-Encoding: chunked"
BROKEN = (
    (CHUNKED, b"ZZ\r\n{}", False),
    (CHUNKED, b"-1\r\n{}\r\n0\r\n\r\n", False),
    (CHUNKED, b"2\r\n{}XX0\r\n\r\n", False),
    (CHUNKED, b"5\r\n{", True),
    (CHUNKED, b"1\r\n{\r\n", True),
    ("Content-Length: 10", b"{", True),
)
"""How long it says it is, what comes, and whether the sending side is closed then."""


@contextlib.asynccontextmanager
async def attack(target: Target) -> AsyncIterator[Answers]:
    """Four clients."""
    answers = Answers()
    turns = itertools.cycle(itertools.product(doors(target), BROKEN))

    async def work(_n: int) -> None:
        door, (length, body, ends) = next(turns)
        async with wire(target) as connection:
            await connection.send(door(length) + body)
            if ends:
                connection.half_close()
            status, headers, text = await connection.answer()
            found = answers.count(status, text)
            assert "error" in found or "reason" in found or "x-correlator" in headers, (headers, text)

    async with clients(4, work, answers):
        yield answers


async def check(_target: Target, answers: Answers) -> None:
    """Each was refused as what it is."""
    assert {status for status, _ in answers.seen} == {400}
