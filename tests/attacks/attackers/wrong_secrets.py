"""Wrong secrets of the honest tenant's application and of invented ones, as fast as they are answered."""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING

from tests.attacks.attackers import Answers, clients
from tests.attacks.target import HOME

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.attacks.target import Target

EXPECTS = ((401, "invalid_client"), (429, "slow_down"))
COUNTED = ('simwarden_refused_requests_total{reason="failed_logins"}',)


@contextlib.asynccontextmanager
async def attack(target: Target) -> AsyncIterator[Answers]:
    """From an address of its own, and from the honest tenant's, as if both came through one proxy."""
    answers = Answers()
    number = itertools.count()
    async with target.session() as one, target.session(HOME) as same:

        async def work(n: int) -> None:
            turn = next(number)
            client = target.honest.app_key if turn % 2 else f"swk_{turn:024}"
            form = {"grant_type": "client_credentials", "client_id": client, "client_secret": f"sws_{turn}"}
            async with (one, same)[n % 2].post(f"{target.url}/oauth2/token", data=form) as answer:
                await answers.of(answer)
                if answer.status == 429:
                    assert int(answer.headers["retry-after"]) > 0

        async with clients(4, work, answers):
            yield answers


async def check(_target: Target, answers: Answers) -> None:
    """Nearly all were refused before anything was looked up."""
    assert answers.seen[401, "invalid_client"] < 500, answers.seen
