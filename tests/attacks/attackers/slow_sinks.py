"""A tenant subscribes with 150 sinks on the ports of one host, which answer 500 after 14 seconds."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from aiohttp import web
from tests.attacks.attackers import Answers, clients

from simwarden.demo.story import IMEI_CHANGE, SUBSCRIPTIONS
from simwarden.demo.world import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.attacks.target import Target

EXPECTS = ((201, ""),)
PORTS = 150
SUBSCRIPTIONS_MADE = 900
"""More than the sends that there are at once (512)."""
LATE = 14.0
MOST = 256
"""Half of the sends at once: what one account may have under way while nobody else sends."""
_open: list[int] = []
"""How many requests were open at the sinks, at each that came."""


@contextlib.asynccontextmanager
async def attack(target: Target) -> AsyncIterator[Answers]:
    """Four clients subscribe, so many times at most; each new subscription is told of its start, again and again."""
    answers = Answers()
    _open.clear()
    waiting = 0

    async def late(_: web.Request) -> web.Response:
        nonlocal waiting
        waiting += 1
        _open.append(waiting)
        try:
            await asyncio.sleep(LATE)
        finally:
            waiting -= 1
        return web.Response(status=500)

    app = web.Application()
    app.router.add_post("/", late)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    for _ in range(PORTS):
        await web.TCPSite(runner, "127.0.0.1", 0).start()
    sinks = [f"http://127.0.0.1:{address[1]}/" for address in runner.addresses]
    made = 0
    try:
        async with target.session() as session:

            async def work(_: int) -> None:
                nonlocal made
                if made >= SUBSCRIPTIONS_MADE:
                    await asyncio.sleep(1)
                    return
                made += 1
                card = target.attacker.cards[made % len(target.attacker.cards)]
                body = {
                    "protocol": "HTTP",
                    "sink": sinks[made % PORTS],
                    "types": [IMEI_CHANGE],
                    "config": {"subscriptionDetail": {"device": {"phoneNumber": card.phone}}},
                }
                url = f"{target.url}{SUBSCRIPTIONS}/subscriptions"
                async with session.post(url, json=body, headers=target.attacker.bearer) as answer:
                    await answers.of(answer)

            async with clients(4, work, answers):
                yield answers
                await until(_busy, "the sinks were called", 60)
    finally:
        await runner.cleanup()


async def _busy() -> bool:
    return max(_open, default=0) >= MOST // 4


async def check(target: Target, answers: Answers) -> None:
    """It never had more than its share of the sends."""
    del target, answers
    assert max(_open) <= MOST
