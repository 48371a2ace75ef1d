"""A tenant asks for another's SIMs, with its own token, as fast as it is answered."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from tests.attacks.attackers import Answers, clients

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.attacks.target import Target

EXPECTS = ((404, "IDENTIFIER_NOT_FOUND"),)
COUNTED = ('simwarden_api_requests_total{api="iot-sim-fraud-prevention",operation="bindDeviceImei",status="404"}',)


@contextlib.asynccontextmanager
async def attack(target: Target) -> AsyncIterator[Answers]:
    """Two clients."""
    answers = Answers()
    url = f"{target.url}/iot-sim-fraud-prevention/v0.1/bind"
    async with target.session() as session:

        async def work(n: int) -> None:
            card = target.honest.cards[(answers.total + n) % len(target.honest.cards)]
            body = {"device": {"phoneNumber": card.phone}, "bindType": "IMEIBIND"}
            async with session.post(url, json=body, headers=target.attacker.bearer) as answer:
                await answers.of(answer)

        async with clients(2, work, answers):
            yield answers


async def check(_target: Target, answers: Answers) -> None:
    """Not one of them was its own."""
    assert {status for status, _ in answers.seen} == {404}
