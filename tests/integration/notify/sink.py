"""A sink on the loopback address that can be told how to answer."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Self

from aiohttp import web
from tests.conformance import contract
from tests.support.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping


SCHEMAS = {
    "area-entered": "EventAreaEntered",
    "area-left": "EventAreaLeft",
    "imei-change": "ImeiChangeEvent",
    "subscription-started": "EventSubscriptionStarted",
    "subscription-ended": "EventSubscriptionEnded",
    "swapped": "EventSimSwap",
}
MISSPELT = {
    "org.camaraproject.sim-swap-subscriptions.v0.subscription-started": "org.camaraproject.api-name.v0."
    "subscription-started"
}
"""Event types that CAMARA's document names otherwise where it lists them."""
LOOKED_AT = 300
"""Events that are held against the document, of each sink."""


def _api_of(family: str) -> str:
    """The API that event types `org.camaraproject.<family>.v0` belong to."""
    name = family.removeprefix("org.camaraproject.").partition(".")[0]
    return name if name.endswith("-subscriptions") else f"{name}-subscriptions"


class Received:
    """One request as it came in."""

    def __init__(self, request: web.Request, body: bytes) -> None:
        self.request = request
        self.headers: Mapping[str, str] = request.headers
        self.body = body

        self.event: dict[str, Any] = json.loads(body)

    @property
    def id(self) -> str:
        return str(self.event["id"])

    @property
    def kind(self) -> str:
        return str(self.event["type"]).rpartition(".")[2]

    @property
    def device(self) -> int:
        return int(self.event["data"]["imei"][8:14])


class Sink:
    """Answers what `answer` says: a status, or a coroutine that makes a response."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answer: int | Callable[[Received], Awaitable[web.StreamResponse] | int] = 204
        self.open_requests = 0
        self.most_open = 0
        self._came = asyncio.Condition()
        self._runner: web.AppRunner | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/sink"

    @property
    def devices(self) -> list[int]:
        """The devices told, in order of arrival, repeats included."""
        return [one.device for one in self.received if one.kind == "imei-change"]

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, failed: object, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()
        if failed is None:
            assert self._broken() == [], "an event is not one that CAMARA's document allows"

    def _broken(self) -> list[str]:
        """What is wrong with the events received, each looked at once, by CAMARA's document of its type."""
        events = {one.event.get("id"): one.event for one in self.received[:LOOKED_AT]}
        found = []
        for event in events.values():
            family, _, name = str(event.get("type")).rpartition(".")
            held, schema = contract.camaras(_api_of(family)), SCHEMAS.get(name)
            if held is not None and schema is not None:
                written = {**event, "type": MISSPELT.get(event["type"], event["type"])}
                found += [f"{event}: {error.message}" for error in held.schema(schema).iter_errors(written)]
        return found

    async def until(self, condition: Callable[[], bool], limit: float = PATIENCE) -> None:
        """Wait until the condition holds; looked at with every arrival. Fails after `limit` seconds."""
        async with self._came:
            await asyncio.wait_for(self._came.wait_for(condition), limit)

    async def until_received(self, count: int, limit: float = PATIENCE) -> list[Received]:
        """Wait for so many requests."""
        await self.until(lambda: len(self.received) >= count, limit)
        return self.received

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        one = Received(request, await request.read())
        self.open_requests += 1
        self.most_open = max(self.most_open, self.open_requests)
        try:
            self.received.append(one)
            async with self._came:
                self._came.notify_all()
            answer = self.answer(one) if callable(self.answer) else self.answer
            if isinstance(answer, int):
                return web.Response(status=answer)
            return await answer
        finally:
            self.open_requests -= 1
