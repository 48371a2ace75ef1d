"""A tenant checks numbers that it does not have, keeps answers by the thousand, and guesses the ids of others'."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING
from uuid import uuid4

from tests.attacks.attackers import Answers, clients

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.attacks.target import Target

MOST = 300
SETTINGS = {"eligibility_responses_per_account": str(MOST)}
EXPECTS = (
    (404, "IDENTIFIER_NOT_FOUND"),
    (400, "INVALID_ARGUMENT"),
    (429, "TOO_MANY_REQUESTS"),
    (403, "PERMISSION_DENIED"),
)
COUNTED = tuple(
    f'simwarden_api_requests_total{{api="{api}",operation="{operation}",status="{status}"}}'
    for api, operation, status in (
        ("eligibility-info", "checkEligibility", "404"),
        ("eligibility-info", "checkEligibility", "429"),
        ("iot-sim-fraud-prevention", "query", "403"),
    )
)


@contextlib.asynccontextmanager
async def attack(target: Target) -> AsyncIterator[Answers]:
    """Three clients: one checks its own SIMs, one others', one uses ids that it has made up."""
    answers = Answers()
    check = f"{target.url}/eligibility-info/v0.1/eligibility-check"
    query = f"{target.url}/iot-sim-fraud-prevention/v0.1/query"
    async with target.session() as session:
        turns = [0, 0, 0]

        async def work(n: int) -> None:
            turns[n] += 1
            whose = (target.attacker, target.honest, target.attacker)[n]
            card = whose.cards[turns[n] % len(whose.cards)]
            bearer = target.attacker.bearer
            if n == 2:
                body: dict[str, object] = {"device": {"phoneNumber": card.phone}, "queryType": "IMEIBIND"}
                headers = bearer | {"x-eligibility-response-id": str(uuid4())}
                async with session.post(query, json=body, headers=headers) as answer:
                    await answers.of(answer)
                return
            scopes = [f"scope:{each}" for each in range(50 + turns[n] % 2 * (n == 0))]
            body = {"phoneNumber": card.phone, "scopes": scopes, "purpose": "dpv:Purpose"}
            async with session.post(check, json=body, headers=bearer) as answer:
                await answers.of(answer)

        async with clients(3, work, answers):
            yield answers


async def check(target: Target, answers: Answers) -> None:
    """It has no more answers than it may, and none was kept about others' numbers."""
    async with target.database() as db:
        kept = await db.fetchval("select count(*) from eligibility")
        numbers = {row["number"] for row in await db.fetch("select distinct number from eligibility")}
    given = sum(count for (status, _), count in answers.seen.items() if status == 200)
    assert 0 < given <= kept
    assert kept <= MOST * 1.1 * 4
    assert numbers <= {card.phone for card in target.attacker.cards}
