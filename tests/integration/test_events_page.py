"""`docs/events.md` says what is so: its request is accepted, its code verifies what comes."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

from aiohttp import web
from tests.attacks.target import attacked

from simwarden.demo.story import SUBSCRIPTIONS
from simwarden.domain.identifiers import full_imei

PAGE = Path(__file__).parents[2] / "docs" / "events.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


async def test_the_page_can_be_followed() -> None:
    came: asyncio.Queue[tuple[dict[str, str], bytes]] = asyncio.Queue()

    async def receive(request: web.Request) -> web.Response:
        came.put_nowait((dict(request.headers), await request.read()))
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/events", receive)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    program: dict[str, Any] = {}
    [code] = blocks("python")
    exec(code, program)
    wanted, shown, _geofence = (json.loads(text) for text in blocks("json"))
    try:
        async with attacked() as target, target.session("127.0.0.1") as session:
            card = target.honest.cards[0]
            wanted["sink"] = f"http://127.0.0.1:{runner.addresses[0][1]}/events"
            wanted["config"]["subscriptionDetail"]["device"]["phoneNumber"] = card.phone
            url = f"{target.url}{SUBSCRIPTIONS}/subscriptions"
            async with session.post(url, json=wanted, headers=target.honest.bearer) as answer:
                assert answer.status == 201, await answer.text()
                secret = answer.headers["x-simwarden-webhook-secret"]
            for number in (1, 2):
                imei = full_imei(f"35{number:06}000001")
                body = {"type": "port-status", "port": "1.01", "st": 3, "imei": imei, "imsi": card.imsi}
                async with session.post(target.honest_reports, json=body) as answer:
                    assert answer.status == 200
            for kind in ("subscription-started", "imei-change"):
                headers, raw = await asyncio.wait_for(came.get(), 120)
                event = program["take"](secret, headers, raw)
                assert event["type"].endswith(kind)
                assert headers["Content-Type"] == "application/cloudevents+json"
                assert program["take"](secret, headers, raw.replace(b"1.0", b"1.1")) is None
            assert event.keys() == shown.keys()
            assert event["data"].keys() == shown["data"].keys()
    finally:
        await runner.cleanup()
