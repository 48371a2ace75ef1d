"""Calls of this server's APIs from within: as the browser that asked for the page would make them itself.

The browser's cookie, and what it says of where a request came from, go along. So the API checks session, role, CSRF
token and origin, writes the audit list and counts attempts to log in; the console decides none of it.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HANDED_ON = frozenset({b"cookie", b"origin", b"sec-fetch-site", b"host", b"user-agent", b"accept-language"})
_ASKS = frozenset({"/sims/{}/preview", "/sims/{}/messages/preview", "/rule-trials", "/areas/{}/trial"})
"""Operations that have a body, but change nothing."""
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class CallRefused(Exception):
    """An API answered with an error."""

    def __init__(self, status: int, code: str, message: str, correlator: str = "", retry_after: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.correlator = correlator
        self.retry_after = retry_after
        """Seconds after which it may be tried again, where the API says so."""


class ApiAnswer(msgspec.Struct, frozen=True):
    """A good answer."""

    status: int
    body: Any
    """Of JSON; None for no body, bytes for what is no JSON."""
    headers: Sequence[tuple[bytes, bytes]]

    @property
    def cookies(self) -> list[bytes]:
        """What the browser is to keep."""
        return [value for name, value in self.headers if name.lower() == b"set-cookie"]


class ApiClient:
    """One API, for one visit."""

    def __init__(self, app: ASGIApp, root: str, version: str, scope: Scope, csrf: str = "") -> None:
        """`root`: where the API is mounted (`/manage`); `scope`: the browser's; `csrf`: what its form held."""
        self._app = app
        self._root = root
        self._version = version
        self._outer = scope
        kept = [(name, value) for name, value in scope["headers"] if name in _HANDED_ON]
        self.token = ""
        """Of the session, for forms."""
        self._headers = [*kept, (b"x-csrf-token", csrf.encode(errors="replace"))] if csrf else kept

    async def get(self, path: str, *names: str, **query: Any) -> Any:
        """What `GET path` answers; `{}` in the path stands for each of `names`. Raises CallRefused."""
        return (await self.call("GET", path, *names, query=query)).body

    async def ask(self, path: str, *names: str, body: object = None, **query: Any) -> Any:
        """What a POST answers that changes nothing: pages may ask for that. Raises CallRefused."""
        assert path in _ASKS, path
        token = (b"x-csrf-token", self.token.encode())
        return (await self.call("POST", path, *names, query=query, body=body, headers=(token,))).body

    async def post(self, path: str, *names: str, body: object = None) -> Any:
        """What a POST with this body answers. Raises CallRefused."""
        return (await self.call("POST", path, *names, body=body)).body

    async def call(
        self,
        method: str,
        path: str,
        *names: str,
        query: Mapping[str, Any] | None = None,
        body: object = None,
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> ApiAnswer:
        """One call. Raises CallRefused for an answer from 400 on."""
        scope = self._scope(method, path, names, query or {}, body)
        scope["headers"] += headers
        collected, head = bytearray(), {"status": 500, "headers": []}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                head.update(message)
            else:
                collected.extend(message.get("body", b""))

        await self._app(scope, _once(b"" if body is None else _encode(body)), send)
        return _read(head, bytes(collected))

    def through(self, path: str, *names: str, **query: Any) -> ASGIApp:
        """Answers with what `GET path` answers, piece by piece: for files."""
        scope = self._scope("GET", path, names, query, None)

        async def answer(_scope: Scope, receive: Receive, send: Send) -> None:
            await self._app(scope, receive, send)

        return answer

    def _scope(self, method: str, path: str, names: Sequence[str], query: Mapping[str, Any], body: object) -> Scope:
        if any(not name or "/" in name or "\x00" in name for name in names):
            raise CallRefused(404, "NOT_FOUND", "There is no such thing")
        full = f"{self._root}/{self._version}" + path.format(*names) if names else f"{self._root}/{self._version}{path}"
        asked = [
            (name, str(each).lower() if isinstance(each, bool) else str(each))
            for name, value in query.items()
            for each in (value if isinstance(value, (list, tuple)) else (value,))
            if each not in (None, "")
        ]
        headers = [*self._headers, (b"accept", b"*/*")]
        if body is not None:
            headers.append((b"content-type", b"application/json"))
        outer = self._outer
        return {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": outer.get("scheme", "http"),
            "path": full,
            "raw_path": full.encode(errors="replace"),
            "root_path": self._root,
            "query_string": urlencode(asked).encode(),
            "headers": headers,
            "client": outer.get("client"),
            "server": outer.get("server"),
            "address": outer.get("address", ""),
        }


def _once(body: bytes) -> Receive:
    sent = False

    async def receive() -> Message:
        nonlocal sent
        if sent:
            await asyncio.Event().wait()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _read(head: Mapping[str, Any], content: bytes) -> ApiAnswer:
    headers = {name.lower(): value for name, value in head["headers"]}
    is_json = headers.get(b"content-type", b"").partition(b";")[0] == b"application/json"
    body: Any = None
    if content:
        body = content
        if is_json:
            with contextlib.suppress(msgspec.DecodeError):
                body = _decode(content)
    status = head["status"]
    if status < 400:
        return ApiAnswer(status, body, head["headers"])
    said = body if isinstance(body, dict) else {}
    raise CallRefused(
        status,
        str(said.get("code", "")),
        str(said.get("message", "")),
        headers.get(b"x-correlator", b"").decode("latin-1"),
        headers.get(b"retry-after", b"").decode("latin-1"),
    )
