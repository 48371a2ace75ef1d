"""Reports to invented report URLs, as fast as they are answered."""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING

from tests.attacks.attackers import Answers, clients
from tests.attacks.target import HOME

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.attacks.target import Target

EXPECTS = ((404, "404"), (429, "429"))
COUNTED = ('simwarden_refused_requests_total{reason="unknown_report_urls"}',)


@contextlib.asynccontextmanager
async def attack(target: Target) -> AsyncIterator[Answers]:
    """From an address of its own, and from the honest gateway's."""
    answers = Answers()
    number = itertools.count()
    async with target.session() as one, target.session(HOME) as same:

        async def work(n: int) -> None:
            url = f"{target.url}/southbound/ejoin/guess-{next(number)}"
            async with (one, same)[n % 2].post(url, json={"type": "port-status"}) as answer:
                await answers.of(answer)

        async with clients(4, work, answers):
            yield answers
