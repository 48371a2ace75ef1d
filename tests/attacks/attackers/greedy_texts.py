"""A tenant asks for all that records cost: subscriptions to all SIMs, polls, sends, lists, hotzones of new SIMs."""

from __future__ import annotations

import base64
import contextlib
import time
from typing import TYPE_CHECKING, Any

from tests.attacks.attackers import Answers, clients
from tests.attacks.subscribing import SIMS, SINK, ports

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.attacks.target import Target

MOST, WIDE, WAITING = 40, 10, 20
SETTINGS = {"hotzone_baselines_per_minute": str(MOST), "messages_waiting_per_account": str(WAITING)}
EXPECTS = (
    (201, ""),
    (429, "QUOTA_EXCEEDED"),
    (429, "TOO_MANY_REQUESTS"),
    (422, "SERVICE_NOT_APPLICABLE"),
    (400, "INVALID_ARGUMENT"),
    (200, ""),
)
COUNTED = (
    'simwarden_subscriptions_refused_total{limit="subscriptions_to_all_devices"}',
    'simwarden_api_requests_total{api="fraud-hotzone",operation="checkFraudHotzone",status="429"}',
    'simwarden_api_requests_total{api="records",operation="retrieveMessages",status="400"}',
)
WISHES = (
    ("short-message-subscriptions/vwip", "org.camaraproject.short-message-subscriptions.v0.sms-received"),
    ("record-subscriptions/v0.1", "org.simwarden.record-subscriptions.v0.message-recorded"),
)
ZONES = [f"{a}{b}" for a, b in ("KH", "MM", "LA", "VN", "TH", "PH", "ID", "MY", "SG", "BN")]


def reported(target: Target, n: int) -> dict[str, Any]:
    """Five messages to SIMs of its own, so that there is something to be told."""
    rows = []
    for each in range(5):
        place = (n * 5 + each) % SIMS
        text = base64.b64encode(f"greedy {n} {each}".encode()).decode()
        imsi = target.attacker.cards[place].imsi
        rows.append([0, f"{place + 1}.01", int(time.time()), f"+8551{n:07}", "", text, "", imsi, ""])
    return {"type": "recv-sms", "sms_num": len(rows), "sms": rows}


@contextlib.asynccontextmanager
async def attack(target: Target) -> AsyncIterator[Answers]:
    """Five clients: reports, subscriptions, polls and sends, lists, hotzones of SIMs that are new."""
    answers = Answers()
    async with target.session() as session:
        async with session.post(target.attacker_reports, json=ports(target, "36100000")) as answer:
            await answers.of(answer)
        turns = [0] * 5

        async def call(path: str, body: dict[str, Any]) -> None:
            async with session.post(f"{target.url}/{path}", json=body, headers=target.attacker.bearer) as answer:
                await answers.of(answer)

        async def work(n: int) -> None:
            turns[n] += 1
            turn = turns[n]
            phone = {"phoneNumber": target.attacker.cards[turn % SIMS].phone}
            if n == 0:
                async with session.post(target.attacker_reports, json=reported(target, turn)) as answer:
                    await answers.of(answer)
            elif n == 1:
                path, kind = WISHES[turn % 2]
                config = {"subscriptionDetail": {"allDevices": True}}
                asked = {"protocol": "HTTP", "sink": SINK, "types": [kind], "config": config}
                await call(f"{path}/subscriptions", asked)
            elif n == 2:
                await call("short-message-subscriptions/vwip/retrieve-received", {})
                text = {"from": phone["phoneNumber"], "to": [f"+4915{turn:08}"], "message": "x" * 1000}
                await call("sms/v0alpha1/short-message", text)
            elif n == 3:
                await call("records/v1/retrieve-messages", {"device": phone, "otherParty": f"+8551{turn:07}"})
                await call("records/v1/retrieve-messages", {"from": "1970-01-01T00:00:00Z", "cursor": "x" * 200})
            else:
                zones = [f"+{turn % 900 + 100}{each}" for each in range(10)]
                hot: dict[str, Any] = {"phoneNumber": phone["phoneNumber"], "lookBackDays": 90, "fraudHotZone": zones}
                await call("fraud-hotzone/vwip/check", hot)

        async with clients(5, work, answers, pause=0.05):
            yield answers


async def check(target: Target, answers: Answers) -> None:
    """It has as many wide subscriptions as it may have, and no message that nothing could send."""
    del answers
    async with target.database() as db:
        wide = await db.fetchval("select count(*) from subscription where imsi like 'account:%' and ended_at is null")
        assert wide == WIDE
        assert await db.fetchval("select count(*) from outgoing_message") == 0
