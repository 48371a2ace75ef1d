"""A tenant subscribes to each of its SIMs as often as it can, and lets them change devices all the time."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from tests.attacks.attackers import Answers, clients

from simwarden.demo.story import IMEI_CHANGE, SUBSCRIPTIONS
from simwarden.domain.identifiers import full_imei

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.attacks.target import Target

EXPECTS = ((201, ""), (429, "QUOTA_EXCEEDED"), (200, "200"))
COUNTED = (
    'simwarden_subscriptions_refused_total{limit="subscriptions_per_app_and_sim"}',
    "simwarden_notify_fanned_out_total",
)
SIMS = 20
SINK = "http://127.0.0.1:9/"
"""Nobody listens there."""


@contextlib.asynccontextmanager
async def attack(target: Target) -> AsyncIterator[Answers]:
    """Three clients subscribe, one reports: all its SIMs in other devices, in one body."""
    answers = Answers()
    async with target.session() as session:
        turns = [0, 0, 0, 0]

        async def work(n: int) -> None:
            turns[n] += 1
            if n == 0:
                ports = [
                    {
                        "type": "port-status",
                        "port": f"{place + 1}.01",
                        "st": 3,
                        "imei": full_imei(f"36{turns[0] % 10**6:06}{place:06}"),
                        "imsi": card.imsi,
                        "iccid": card.iccid,
                    }
                    for place, card in enumerate(target.attacker.cards[:SIMS])
                ]
                async with session.post(target.attacker_reports, json=ports) as answer:
                    await answers.of(answer)
                await asyncio.sleep(0.2)
                return
            card = target.attacker.cards[turns[n] % SIMS]
            body = {
                "protocol": "HTTP",
                "sink": SINK,
                "types": [IMEI_CHANGE],
                "config": {"subscriptionDetail": {"device": {"phoneNumber": card.phone}}},
            }
            url = f"{target.url}{SUBSCRIPTIONS}/subscriptions"
            async with session.post(url, json=body, headers=target.attacker.bearer) as answer:
                await answers.of(answer)

        async with clients(4, work, answers, pause=0.02):
            yield answers


async def check(target: Target, answers: Answers) -> None:
    """No SIM has more than the limit."""
    del answers
    async with target.database() as db:
        most = await db.fetchval(
            "select max(count) from (select count(*) from subscription where ended_at is null group by imsi) s"
        )
    assert most == 20
