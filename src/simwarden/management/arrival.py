"""The management API as browsers reach it: their cookie becomes a token, unless another site sent them.

A browser's session is in a cookie that only this host, only over TLS (or on this machine), and no script gets at, and
that is not sent along from other sites (`__Host-`, Secure, HttpOnly, SameSite=Strict). What changes something needs
`x-csrf-token` too, which only who was answered by log-in can know; and no request that another site caused is taken.
"""

from __future__ import annotations

import base64
import hmac
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from simwarden.management.callers import ANONYMOUS, FOREIGN, OperatorCaller
from simwarden.northbound.kernel.api import Answer, Api, Request
from simwarden.northbound.kernel.errors import PermissionDenied

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from starlette.types import Receive, Scope, Send

COOKIE = "__Host-simwarden"
OPEN = frozenset(f"/v1/session{rest}" for rest in ("", "/setup", "/first", "/openid", "/openid/finish"))
"""Where a POST needs no credentials, and those that it brings do not matter."""
_OPEN_READS = frozenset({"/v1/session/ways"})
"""Where a GET needs none."""
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class OperatorsApi(Api):
    """Behind the translation of a cookie. What a role or a token's scopes forbid is written down too."""

    def __init__(self, *args: Any, refused: Callable[[str, Request], None], **options: Any) -> None:
        """`refused` is told operation and request of a changing call that an operator may not make."""
        super().__init__(*args, **options)
        self._refused = refused

    async def _answer(self, call: Any, scope: Scope, receive: Receive) -> Answer:
        try:
            return await super()._answer(call, scope, receive)
        except PermissionDenied:
            caller, endpoint = call.caller, call.endpoint
            known = isinstance(caller, OperatorCaller) and caller.role is not None and endpoint is not None
            if known and scope["method"] not in _SAFE and caller.scopes.isdisjoint(self._scopes[endpoint.name]):
                _, parameter = self._resource(scope["path"].removeprefix(scope.get("root_path", "")))
                address = (scope.get("client") or ("",))[0]
                self._refused(endpoint.name, Request(caller, call.correlator, b"", parameter, address=address))
            raise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http":
            _arrive(scope)
        await super().__call__(scope, receive, send)


def cookie(token: str, seconds: int) -> tuple[bytes, bytes]:
    """The header that gives a browser its session; an empty token takes it away."""
    age = seconds if token else 0
    return b"set-cookie", f"{COOKIE}={token}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age={age}".encode()


def csrf_token(token: str) -> str:
    """What a browser has to send along with the session of this token."""
    mac = hmac.digest(token.encode(), b"simwarden csrf", "sha256")
    return base64.urlsafe_b64encode(mac).decode().rstrip("=")


def _arrive(scope: Scope) -> None:
    """Replace the Authorization header, where something else says who calls."""
    headers: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        headers.setdefault(name, value)
    path = scope["path"].removeprefix(scope.get("root_path", ""))
    if scope["method"] == "POST" and path in OPEN:
        _authorize(scope, FOREIGN if _is_foreign(headers) else ANONYMOUS)
        return
    if scope["method"] == "GET" and path in _OPEN_READS:
        _authorize(scope, ANONYMOUS)
        return
    if b"authorization" in headers:
        return
    token = _token(value for name, value in scope["headers"] if name == b"cookie")
    if not token:
        return
    if scope["method"] not in _SAFE:
        given = headers.get(b"x-csrf-token", b"")
        if _is_foreign(headers) or not hmac.compare_digest(csrf_token(token).encode(), given):
            token = FOREIGN
    _authorize(scope, token)


def _authorize(scope: Scope, token: str) -> None:
    rest = [(name, value) for name, value in scope["headers"] if name != b"authorization"]
    scope["headers"] = [*rest, (b"authorization", f"Bearer {token}".encode())]


def _token(cookies: Iterable[bytes]) -> str:
    try:
        found = SimpleCookie(b"; ".join(cookies).decode("latin-1")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found is not None and found.value.isascii() and found.value.isprintable() else ""


def _is_foreign(headers: dict[bytes, bytes]) -> bool:
    """Whether a page of another site caused the request, as browsers say (Fetch: Sec-Fetch-Site, Origin)."""
    if headers.get(b"sec-fetch-site", b"none") not in (b"same-origin", b"none"):
        return True
    origin = headers.get(b"origin")
    if origin is None:
        return False
    try:
        return urlsplit(origin.decode("latin-1")).netloc.lower() != headers.get(b"host", b"").decode("latin-1").lower()
    except ValueError:
        return True
