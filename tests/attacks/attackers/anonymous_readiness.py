"""A hundred and fifty anonymous clients ask for /readyz, each over a new connection."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from tests.attacks.attackers import Answers, clients

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.attacks.target import Target

EXPECTS = ((200, ""),)


@contextlib.asynccontextmanager
async def attack(target: Target) -> AsyncIterator[Answers]:
    """Two addresses."""
    answers = Answers()
    async with target.session(kept=False) as one, target.session("127.0.0.3", kept=False) as other:

        async def work(n: int) -> None:
            async with (one, other)[n % 2].get(f"{target.url}/readyz") as answer:
                await answers.of(answer)

        async with clients(150, work, answers, pause=0.1):
            yield answers


async def check(_target: Target, answers: Answers) -> None:
    """The server is ready all the time, and says so."""
    assert {status for status, _ in answers.seen if status} == {200}, answers.seen
