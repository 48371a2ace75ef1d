"""The reference sink, from the side of the one who delivers."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from standardwebhooks.webhooks import Webhook
from tests.support.patience import PATIENCE

from simwarden.simulator.sink import SinkServer

SECRET = "whsec_" + base64.b64encode(b"a secret for the tests only").decode()
EVENT: dict[str, Any] = {
    "id": "1",
    "source": "/simwarden",
    "type": "org.camaraproject.iot-sim-fraud-prevention.v0.imei-change",
    "specversion": "1.0",
    "time": "2026-01-01T00:00:00Z",
    "data": {},
}
HEADERS = {"Content-Type": "application/cloudevents+json"}


@pytest.fixture
async def sink() -> AsyncIterator[SinkServer]:
    receiving = SinkServer()
    await receiving.start()
    yield receiving
    await receiving.close()


async def deliver(
    client: aiohttp.ClientSession, sink: SinkServer, event: Any = EVENT, **headers: str
) -> tuple[int, Any]:
    async with client.post(f"{sink.url}/hook", data=json.dumps(event), headers=HEADERS | headers) as answer:
        return answer.status, await answer.json() if answer.status >= 400 else dict(answer.headers)


async def behave(
    client: aiohttp.ClientSession, sink: SinkServer, behaviour: dict[str, Any], *, status: int = 200
) -> Any:
    async with client.post(f"{sink.url}/behaviour", json=behaviour) as answer:
        assert answer.status == status
        return await answer.json()


async def test_a_delivery_is_answered_204_and_remembered(client: aiohttp.ClientSession, sink: SinkServer) -> None:
    status, headers = await deliver(client, sink, **{"x-correlator": "abc"})
    assert (status, headers["x-correlator"]) == (204, "abc")
    async with client.get(f"{sink.url}/events") as answer:
        seen = await answer.json()
    assert seen["received"] == 1
    assert (seen["events"][0]["body"], seen["events"][0]["path"], seen["events"][0]["status"]) == (EVENT, "/hook", 204)
    assert abs(seen["events"][0]["received_ns"] - time.time_ns()) < 60_000_000_000
    async with client.delete(f"{sink.url}/events") as answer:
        assert await answer.json() == {"forgotten": 1}


@pytest.mark.parametrize("missing", ["id", "type", "time", "data"])
async def test_what_is_missing_is_answered_as_camara_says(
    client: aiohttp.ClientSession, sink: SinkServer, missing: str
) -> None:
    status, error = await deliver(client, sink, {key: value for key, value in EVENT.items() if key != missing})
    assert status == 400
    assert error == {"status": 400, "code": "INVALID_ARGUMENT", "message": f"{missing.title()} must be specified"}


async def test_another_content_type_or_no_json_is_refused(client: aiohttp.ClientSession, sink: SinkServer) -> None:
    assert (await deliver(client, sink, **{"Content-Type": "text/plain"}))[0] == 400
    async with client.post(sink.url, data=b"[" * 5000, headers=HEADERS) as answer:
        assert answer.status == 400


async def test_it_misbehaves_as_told_and_so_often(client: aiohttp.ClientSession, sink: SinkServer) -> None:
    await behave(client, sink, {"status": 410})
    status, error = await deliver(client, sink)
    assert (status, error["code"]) == (410, "GONE")
    await behave(client, sink, {"status": 429, "retry_after": 7, "count": 1})
    async with client.post(sink.url, json=EVENT, headers=HEADERS) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (429, "7")
    assert (await deliver(client, sink))[0] == 204
    await behave(client, sink, {"delay": 0.1})
    begin = time.monotonic()
    assert (await deliver(client, sink))[0] == 204
    assert time.monotonic() - begin >= 0.1


async def test_it_can_close_the_connection_without_an_answer(client: aiohttp.ClientSession, sink: SinkServer) -> None:
    await behave(client, sink, {"close": True})
    with pytest.raises(aiohttp.ClientError):
        await deliver(client, sink)
    assert sink.deliveries[-1].status is None


async def test_it_can_hang_until_it_behaves(client: aiohttp.ClientSession, sink: SinkServer) -> None:
    arrived = asyncio.Event()
    sink.on_delivery = lambda _delivery: arrived.set()
    await behave(client, sink, {"hang": True})
    waiting = asyncio.create_task(deliver(client, sink))
    await asyncio.wait_for(arrived.wait(), PATIENCE)
    assert not waiting.done()
    await behave(client, sink, {})
    with pytest.raises(aiohttp.ClientError):
        await waiting
    assert (await deliver(client, sink))[0] == 204


async def test_unknown_behaviour_is_an_error(client: aiohttp.ClientSession, sink: SinkServer) -> None:
    assert "speed" in (await behave(client, sink, {"speed": 1}, status=400))["error"]["message"]
    await behave(client, sink, {"status": 99}, status=400)


async def test_bearer_and_signature_are_checked(client: aiohttp.ClientSession) -> None:
    sink = SinkServer(bearer="token", secret=SECRET)
    await sink.start()
    try:
        assert (await deliver(client, sink))[0] == 401
        signed_at = datetime.now(UTC)
        good = {
            "Authorization": "Bearer token",
            "webhook-id": "1",
            "webhook-timestamp": str(int(signed_at.timestamp())),
            "webhook-signature": Webhook(SECRET).sign("1", signed_at, json.dumps(EVENT)),
        }
        assert (await deliver(client, sink, **good))[0] == 204
        assert (await deliver(client, sink, **(good | {"Authorization": "Bearer other"})))[0] == 401
        status, error = await deliver(client, sink, EVENT | {"id": "2"}, **good)
        assert (status, error["code"]) == (401, "UNAUTHENTICATED")
        assert (await deliver(client, sink, **(good | {"webhook-signature": "nonsense"})))[0] == 401
    finally:
        await sink.close()


async def test_only_the_last_deliveries_are_kept(client: aiohttp.ClientSession) -> None:
    sink = SinkServer(keep=2)
    await sink.start()
    try:
        for number in range(3):
            await deliver(client, sink, EVENT | {"id": str(number)})
    finally:
        await sink.close()
    assert (sink.received, [delivery.body["id"] for delivery in sink.deliveries]) == (3, ["1", "2"])
