"""A tenant claims cards that are not its own, registered by nobody or by another, to act on the operator's gateways."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from typing import TYPE_CHECKING

from tests.attacks.attackers import Answers, clients

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.attacks.target import Target

EXPECTS = ((422, "SERVICE_NOT_APPLICABLE"), (202, ""))
COUNTED = ('simwarden_api_requests_total{api="iot-device-management",operation="addDevices",status="422"}',)
UNREGISTERED = "46000088{:07}"
_bodies: dict[str, set[str]] = defaultdict(set)
"""What was answered, by what the card is."""


@contextlib.asynccontextmanager
async def attack(target: Target) -> AsyncIterator[Answers]:
    """Two clients: cards of nobody, of the honest tenant, and of an own account without ranges, alone and together."""
    answers = Answers()
    _bodies.clear()
    url = f"{target.url}/iot-device-management/vwip/add"
    async with target.session() as session:

        async def work(n: int) -> None:
            turn = answers.total + n
            honest = target.honest.cards[turn % len(target.honest.cards)]
            cards = {
                "nobody": {"imsi": UNREGISTERED.format(turn)},
                "foreign": {"imsi": honest.imsi},
                "foreign number": {"imsi": UNREGISTERED.format(turn), "phoneNumber": honest.phone},
            }
            for what, card in cards.items():
                async with session.post(url, json={"devices": [card]}, headers=target.attacker.bearer) as answer:
                    _bodies[what].add(await answer.text())
                    await answers.of(answer)
            together = {"devices": list(cards.values())}
            async with session.post(url, json=together, headers=target.attacker.bearer) as answer:
                await answers.of(answer)

        async with clients(2, work, answers, pause=0.05):
            yield answers


async def check(target: Target, answers: Answers) -> None:
    """Nothing was registered, and no answer told a foreign card from nobody's."""
    assert {frozenset(bodies) for bodies in _bodies.values()} == {frozenset(next(iter(_bodies.values())))}
    assert all(len(bodies) == 1 for bodies in _bodies.values())
    async with target.database() as db:
        assert await db.fetchval("select count(*) from sim where imsi like '46000088%'") == 0
        claimed = await db.fetchval(
            "select count(*) from sim where account_id = $1 and imsi not like '46000066%'", target.attacker.account_id
        )
    assert claimed == 0
