"""The outermost ASGI application: checks what concerns every request, and watches over its body."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from simwarden.edge import errors
from simwarden.edge.bodies import Bodies, Body, BodyRefused
from simwarden.edge.clients import Proxies, group

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

DRAINED = 4 * 1024 * 1024
"""Bytes of an unread body that are read and thrown away, so that the connection can be kept: the longest body that any
API takes. A proxy that is still writing when the server closes the connection would not read the answer."""
DRAIN_SECONDS = 1.0
_log = structlog.get_logger()


class FrontDoor:
    """Everything that is served, behind the checks that concern every request.

    `scope["client"]` becomes the client's address as the trusted proxies name it (its port they do not name: that is 0
    then), `scope["address"]` the group that limits count it in. A request of HTTP/1.1 without exactly one Host is
    refused (RFC 9112 clause 3.2).
    A body that the application leaves unread is drained before the answer, when it is small: HTTP/1.1 would have to
    close the connection otherwise.
    """

    def __init__(
        self,
        app: ASGIApp,
        bodies: Bodies | None = None,
        proxies: Proxies | None = None,
        *,
        counted: Callable[[str], None] = lambda _reason: None,
    ) -> None:
        """`counted(reason)` is called for every request that is refused here."""
        self._app = app
        self._bodies = bodies or Bodies()
        self._proxies = proxies or Proxies()
        self._counted = counted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        hosts, has_body, length = _framing(scope)
        peer, port = scope.get("client") or ("", 0)
        address = self._proxies.client(peer, scope["headers"])
        scope["client"] = (address, port if address == peer else 0)
        counted_as = scope["address"] = group(address)
        is_1_1 = scope.get("http_version") == "1.1"  # HTTP/2 has an end of its own, which may be a frame later
        declared = length if is_1_1 else 0
        body = Body(self._bodies, receive, counted_as, complete=not has_body, declared=declared)
        started = False

        def answer(message: Message) -> Awaitable[None]:  # a coroutine only where there is something to wait for
            nonlocal started
            if started or body.complete:
                started = True
                return send(message)
            started = True
            return self._drained(body, length, send, message)

        if hosts != 1 and is_1_1:
            self._counted("no_host")
            refusal = errors.error(scope["headers"], 400, "INVALID_ARGUMENT", "HTTP/1.1 asks for one Host header")
            await refusal(scope, body.receive, answer)
            return
        try:
            await self._app(scope, body.receive, answer)
        except BodyRefused as refused:  # of a route that has no form of its own for it
            if not started:
                await errors.of_body(scope["headers"], refused)(scope, body.receive, answer)
        finally:
            if not body.complete:
                self._bodies.end(body)
            if body.refusal is not None:
                reason = body.refusal.reason
                _log.debug("body refused", reason=reason, path=scope["path"], address=address, received=body.received)

    async def _drained(self, body: Body, length: int, send: Send, message: Message) -> None:
        """Begin an answer to a request whose body was not read to its end; its length is as declared."""
        if body.refusal is None and length <= DRAINED:
            await body.drain(DRAINED, DRAIN_SECONDS)
        self._bodies.end(body)
        await send(message)


def _framing(scope: Scope) -> tuple[int, bool, int]:
    """How many Host headers there are, whether a body follows, and its length as declared (0: it is not)."""
    hosts, has_body, length, chunked = 0, scope.get("http_version") != "1.1", 0, False
    for name, value in scope["headers"]:
        if name == b"host":
            hosts += value != b""  # a missing one is handed on by Granian as an empty one
        elif name == b"content-length":
            length = int(value) if value.isdigit() and len(value) < 19 else 0
            has_body = has_body or length > 0
        elif name == b"transfer-encoding":
            has_body = chunked = True
    return hosts, has_body, 0 if chunked else length
