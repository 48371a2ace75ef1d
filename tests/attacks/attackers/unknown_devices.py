"""A tenant begins operations on thousands of devices that there are not, with its own token."""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING

from tests.attacks.attackers import Answers, clients

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.attacks.target import Target

DEVICES = 5_000
EXPECTS = ((202, ""), (429, "TOO_MANY_REQUESTS"))
COUNTED = (
    'simwarden_api_requests_total{api="iot-device-management",operation="suspendDevices",status="202"}',
    'simwarden_api_requests_total{api="iot-device-management",operation="suspendDevices",status="429"}',
)


@contextlib.asynccontextmanager
async def attack(target: Target) -> AsyncIterator[Answers]:
    """Four operations at once."""
    answers = Answers()
    number = itertools.count()
    url = f"{target.url}/iot-device-management/vwip/suspend"
    async with target.session(seconds=120) as session:

        async def work(_n: int) -> None:
            first = next(number) * DEVICES
            devices = [{"phoneNumber": f"+1555{first + each:08}"} for each in range(DEVICES)]
            async with session.post(url, json={"devices": devices}, headers=target.attacker.bearer) as answer:
                found = await answers.of(answer)
                if answer.status == 429:
                    assert "20000 devices" in found["message"]
                    assert int(answer.headers["retry-after"]) > 0

        async with clients(4, work, answers, pause=0.05):
            yield answers


async def check(target: Target, answers: Answers) -> None:
    """What was taken is within the limit, and stands in the usage ledger."""
    assert answers.seen[202, ""] == 20_000 // DEVICES
    async with target.database() as db:
        rows = await db.fetchval("select count(*) from operation_item where imsi is null")
        counted = await db.fetchval("select sum(count) from usage_count where operation = 'suspendDevices/unknown'")
    assert (rows, counted) == (20_000, 20_000)
