"""A reference CloudEvents sink: receives, checks and remembers deliveries, and misbehaves when told to.

Deliveries are POSTed to any path but the control paths `/events` and `/behaviour`. Loopback, plain HTTP.
"""

from __future__ import annotations

import asyncio
import binascii
import hmac
import json
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import web
from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook, WebhookVerificationError

from simwarden.simulator.control import errors_as_json
from simwarden.simulator.envelope import problem
from simwarden.simulator.errors import InvalidRequest
from simwarden.simulator.serving import Serving

#: Deliveries remembered unless told otherwise.
KEPT = 10_000

CONTENT_TYPES = frozenset({"application/cloudevents+json", "application/json"})

CODES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    410: "GONE",
    429: "TOO_MANY_REQUESTS",
}
SAYS = {
    403: "Client does not have sufficient permissions to perform this action.",
    404: "The specified resource is not found.",
    410: "Access to the target resource is no longer available.",
    429: "Rejected due to request rate limit overpassed.",
}
"""What CAMARA's document has a consumer say; 400 and 401 say what is wrong."""


class Behaviour(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """How the sink answers; the default is to behave."""

    status: int = 204
    """HTTP status of every answer; with 204 what is invalid still gets its 400 or 401."""

    delay: float = 0.0
    """Seconds before the answer."""

    retry_after: int | None = None
    """Seconds for the Retry-After header."""

    hang: bool = False
    """Never answer (until the behaviour changes)."""

    close: bool = False
    """Close the connection without an answer."""

    count: int | None = None
    """Deliveries this holds for; afterwards the sink behaves again. None = until changed."""


@dataclass(frozen=True, slots=True)
class ReceivedCall:
    """One received POST."""

    received_ns: int
    """Wall-clock epoch nanoseconds when the body was complete."""

    path: str
    headers: dict[str, str]
    body: Any
    """The JSON, or the text when it is none."""

    status: int | None
    """What was answered, None when it was not."""

    problem: str | None


class SinkServer:
    """The consumer's endpoint. Credentials are checked when given."""

    def __init__(
        self, *, port: int = 0, bearer: str | None = None, secret: str | None = None, keep: int = KEPT
    ) -> None:
        """`secret` is a `standardwebhooks` secret (`whsec_...`); with it every delivery must be signed."""
        self.behaviour = Behaviour()
        self.received = 0
        self.deliveries: deque[ReceivedCall] = deque(maxlen=keep)
        self.on_delivery: Callable[[ReceivedCall], None] = lambda _delivery: None
        self._bearer = bearer
        self._webhook = _verifier(secret) if secret is not None else None
        self._changed = asyncio.Event()
        routes = [
            web.get("/events", self.events),
            web.delete("/events", self.forget),
            web.get("/behaviour", self.get_behaviour),
            web.post("/behaviour", self.set_behaviour),
            web.post("/{path:.*}", self.receive),
        ]
        self._serving = Serving(routes, port=port, middlewares=[errors_as_json])

    @property
    def url(self) -> str:
        """Where it listens; any path may be added."""
        return self._serving.url

    async def start(self) -> None:
        """Listen."""
        await self._serving.start()

    async def close(self) -> None:
        """Stop listening."""
        self._changed.set()
        await self._serving.close()

    async def receive(self, request: web.Request) -> web.StreamResponse:
        """Take one delivery."""
        raw = await request.read()
        received_ns = time.time_ns()
        self.received += 1
        behaviour = self._behave()
        changed = self._changed
        body = _parse(raw)
        status, wrong = self._judge(request, raw, body)
        if behaviour.status != 204:
            status, wrong = behaviour.status, None
        silent = behaviour.hang or behaviour.close
        headers = {name.lower(): value for name, value in request.headers.items()}
        delivery = ReceivedCall(received_ns, request.path_qs, headers, body, None if silent else status, wrong)
        self.deliveries.append(delivery)
        self.on_delivery(delivery)
        if behaviour.hang:
            await changed.wait()
        elif behaviour.delay > 0:
            await asyncio.sleep(behaviour.delay)
        if silent:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)
        return _answer(request, status, wrong, behaviour.retry_after)

    async def events(self, request: web.Request) -> web.Response:
        """The deliveries, oldest first; `?limit=` for the last ones only."""
        text = request.query.get("limit", str(len(self.deliveries)))
        if not text.isdecimal():
            raise InvalidRequest(f"limit must be a number, not {text!r}")
        chosen = list(self.deliveries)[-int(text) :] if int(text) else []
        return web.json_response({"received": self.received, "events": [msgspec.to_builtins(d) for d in chosen]})

    async def forget(self, _request: web.Request) -> web.Response:
        """Forget all deliveries."""
        forgotten = len(self.deliveries)
        self.deliveries.clear()
        self.received = 0
        return web.json_response({"forgotten": forgotten})

    async def get_behaviour(self, _request: web.Request) -> web.Response:
        """How it answers now."""
        return web.json_response(msgspec.to_builtins(self.behaviour))

    async def set_behaviour(self, request: web.Request) -> web.Response:
        """Answer differently from now on; fields not given take their default, `{}` behaves. Lets go what hangs."""
        try:
            behaviour = msgspec.json.decode(await request.read() or b"{}", type=Behaviour)
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            raise InvalidRequest(str(error)) from error
        if not 200 <= behaviour.status <= 599:
            raise InvalidRequest(f"status {behaviour.status} is not an HTTP status from 200 to 599")
        self.behaviour = behaviour
        self._changed.set()
        self._changed = asyncio.Event()
        return web.json_response(msgspec.to_builtins(behaviour))

    def _behave(self) -> Behaviour:
        """The behaviour for the next delivery; counts it."""
        behaviour = self.behaviour
        if behaviour.count is not None:
            if behaviour.count <= 0:
                self.behaviour = Behaviour()
                return self.behaviour
            self.behaviour = msgspec.structs.replace(behaviour, count=behaviour.count - 1)
        return behaviour

    def _judge(self, request: web.Request, raw: bytes, body: Any) -> tuple[int, str | None]:
        if self._bearer is not None:
            given = request.headers.get("Authorization", "")
            if not hmac.compare_digest(given.encode(), f"Bearer {self._bearer}".encode()):
                return 401, "Request not authenticated due to missing, invalid, or expired credentials."
        if self._webhook is not None:
            try:
                self._webhook.verify(raw, dict(request.headers), json_parse=False)
            except (WebhookVerificationError, ValueError) as error:
                return 401, f"The signature is not valid: {error}"
        if request.content_type not in CONTENT_TYPES:
            return 400, "The Content-Type can only be application/cloudevents+json"
        wrong = problem(body)
        return (204, None) if wrong is None else (400, wrong)


def _verifier(secret: str) -> Webhook:
    try:
        return Webhook(secret)
    except (binascii.Error, EmptyWebhookSecretError) as error:
        raise InvalidRequest("the secret must be base64 with or without whsec_ before it, and not empty") from error


def _parse(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return raw.decode(errors="replace")


def _answer(request: web.Request, status: int, wrong: str | None, retry_after: int | None) -> web.Response:
    """A CAMARA ErrorInfo for errors, nothing else otherwise; the correlator comes back."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    if (correlator := request.headers.get("x-correlator")) is not None:
        headers["x-correlator"] = correlator
    if status < 400:
        return web.Response(status=status, headers=headers)
    message = wrong or SAYS.get(status, "The sink was told to answer so")
    body = {"status": status, "code": CODES.get(status, "UNAVAILABLE"), "message": message}
    return web.json_response(body, status=status, headers=headers)
