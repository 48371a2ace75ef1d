"""A gateway sends call records with Call-IDs that fit no index, as fast as it can; callers choose these."""

from __future__ import annotations

import contextlib
import random
import string
from typing import TYPE_CHECKING

from tests.attacks.attackers import Answers, clients

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.attacks.target import Target

EXPECTS = ((200, "200"),)
COUNTED = ('simwarden_southbound_messages_total{outcome="accepted",type="cdr"}',)


@contextlib.asynccontextmanager
async def attack(target: Target) -> AsyncIterator[Answers]:
    """Six clients."""
    answers, generator = Answers(), random.Random(9)
    async with target.session() as session:

        async def work(_n: int) -> None:
            call_id = "".join(generator.choices(string.ascii_letters + string.digits, k=4000))
            imsi = target.attacker.cards[answers.total % len(target.attacker.cards)].imsi
            body = {"type": "cdr", "port": "1.02", "imsi": imsi, "cid": call_id, "cdir": "MT", "begin": 1548407333}
            async with session.post(target.attacker_reports, json=body) as answer:
                await answers.of(answer)

        async with clients(6, work, answers):
            yield answers


async def check(_target: Target, answers: Answers) -> None:
    """Nobody was answered 500."""
    assert {status for status, _ in answers.seen} == {200}
