"""What attackers have in common that subscribe to their SIMs as often as they can and change something all the time."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from tests.attacks.attackers import Answers, clients

from simwarden.domain.identifiers import full_imei

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.attacks.target import Target

EXPECTS = ((201, ""), (429, "QUOTA_EXCEEDED"), (200, "200"))
COUNTED = (
    'simwarden_subscriptions_refused_total{limit="subscriptions_per_app_and_sim"}',
    "simwarden_notify_fanned_out_total",
)
SIMS = 20
SINK = "http://127.0.0.1:9/"
"""Nobody listens there."""


def ports(target: Target, first: str) -> list[dict[str, object]]:
    """What a gateway reports that has all its SIMs in slots, in devices whose IMEI begins with these 8 digits."""
    return [
        {
            "type": "port-status",
            "port": f"{place + 1}.01",
            "st": 3,
            "imei": full_imei(f"{first}{place:06}"),
            "imsi": card.imsi,
            "iccid": card.iccid,
        }
        for place, card in enumerate(target.attacker.cards[:SIMS])
    ]


@contextlib.asynccontextmanager
async def subscribing(
    target: Target,
    path: str,
    wanted: Callable[[int], tuple[str, dict[str, Any]]],
    report: Callable[[int], tuple[str, list[dict[str, object]]]],
) -> AsyncIterator[Answers]:
    """Three clients subscribe to one SIM after the other, one reports.

    `wanted`: type of events and detail beside the device, for the nth subscription of a client; `report`: URL and
    body, for the nth report.
    """
    answers = Answers()
    async with target.session() as session:
        turns = [0, 0, 0, 0]

        async def work(n: int) -> None:
            turns[n] += 1
            if n == 0:
                url, body = report(turns[0])
                async with session.post(url, json=body) as answer:
                    await answers.of(answer)
                await asyncio.sleep(0.2)
                return
            kind, detail = wanted(turns[n])
            device = {"phoneNumber": target.attacker.cards[turns[n] % SIMS].phone}
            asked = {
                "protocol": "HTTP",
                "sink": SINK,
                "types": [kind],
                "config": {"subscriptionDetail": {"device": device, **detail}},
            }
            url = f"{target.url}{path}/subscriptions"
            async with session.post(url, json=asked, headers=target.attacker.bearer) as answer:
                await answers.of(answer)

        async with clients(4, work, answers, pause=0.02):
            yield answers


async def most_of_one_sim(target: Target) -> int:
    """How many live subscriptions the SIM has that has most."""
    async with target.database() as db:
        found: int = await db.fetchval(
            "select max(count) from (select count(*) from subscription where ended_at is null group by imsi) s"
        )
    return found
