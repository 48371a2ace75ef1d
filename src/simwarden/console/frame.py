"""The console as an application at `/console`: who may come in, which page answers, and the headers of all answers."""

from __future__ import annotations

import gzip
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import structlog
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route

from simwarden.console import assets
from simwarden.console.calls import CallRefused
from simwarden.console.live import Streams
from simwarden.console.page import all_pages
from simwarden.console.tiles import TileSource
from simwarden.console.visit import ROOT, Visit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from simwarden.console.page import ConsolePage

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
SIGN_IN = f"{ROOT}/sign-in"
SECOND_FACTOR = f"{ROOT}/second-factor"
_PACKED = 1024
"""Bytes from which a page is packed."""
_FIELDS = 10_000
_log = structlog.get_logger()


class Console:
    """Made once for a worker."""

    def __init__(self, manage: ASGIApp, tiles: str | None = None, tiles_by: str | None = None) -> None:
        """`manage`: the management API. `tiles`: the address of those behind the maps; `tiles_by`: whose they are."""
        self._manage = manage
        self._tiles = None
        self.headers: Mapping[str, str] = HEADERS
        """Of all answers."""
        if tiles is not None:
            self._tiles = TileSource(tiles, tiles_by or "")
            policy = POLICY.replace("img-src 'self'", f"img-src 'self' {self._tiles.origin}")
            self.headers = {**HEADERS, "content-security-policy": policy}
        self._streams = Streams()

    def stop(self) -> None:
        """End what is open: the worker stops."""
        self._streams.stop()

    def routes(self) -> list[BaseRoute]:
        """To be put into the server's table."""
        inner: list[BaseRoute] = [Route("/static/{version}/{name}", assets.answer, methods=["GET"])]
        for page in sorted(all_pages(), key=lambda each: each.path.count("{")):
            if page.live is not None:
                inner.append(
                    Route(f"{page.path.rstrip('/')}/live", _Endpoint(self, page, is_live=True), methods=["GET"])
                )
            methods = [name for name, handler in (("GET", page.show), ("POST", page.act)) if handler is not None]
            inner.append(Route(page.path, _Endpoint(self, page), methods=methods))
        inner.append(Route("/{rest:path}", _Endpoint(self, None)))
        return [
            Route(ROOT, _Endpoint(self, next(page for page in all_pages() if page.path == "/")), methods=["GET"]),
            Mount(ROOT, routes=inner),
        ]

    async def answer(self, request: Request, page: ConsolePage | None, *, is_live: bool) -> ASGIApp:
        """The answer to one request, whatever comes of it."""
        visit = Visit(request, self._manage, {}, page, self._tiles)
        try:
            form = await _form(request, 0 if page is None or page.act is None else page.most)
            visit = Visit(request, self._manage, form, page, self._tiles)
            await visit.arrive()
            return await self._of_page(visit, is_live=is_live)
        except CallRefused as refused:
            return failed(visit, refused)
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception as error:  # whatever went wrong becomes a page that says so
            _log.error("a page of the console failed", path=request.url.path, exc_info=error)
            return failed(visit, CallRefused(500, "INTERNAL", ""))

    async def _of_page(self, visit: Visit, *, is_live: bool) -> ASGIApp:
        page, request = visit.page, visit.request
        if visit.session is None and (page is None or not page.is_open):
            if is_live:
                return Response(status_code=401)
            if visit.is_sent_here and request.method == "GET":
                return visit.again()
            return visit.go(SIGN_IN, next=visit.here if request.method == "GET" and visit.path != ROOT else None)
        if page is None:
            raise CallRefused(404, "NOT_FOUND", "")
        if request.method == "POST":
            if visit.is_forged():
                raise CallRefused(403, "FORGED", "")
            assert page.act is not None
            if not (page.is_open or page.before_factor or visit.may(*page.acts)):
                raise CallRefused(403, "PERMISSION_DENIED", "")
            return await page.act(visit)
        if (
            visit.session is not None
            and visit.session["needsSecondFactor"]
            and not (page.before_factor or page.is_open)
        ):
            return visit.go(SECOND_FACTOR)
        if visit.session is not None and not visit.may(*page.needs):
            if page.path == "/" and visit.navigation:  # who may not see the overview begins elsewhere
                return visit.go(ROOT + visit.navigation[0][1][0].path)
            if page.may_be_absent:
                raise CallRefused(404, "NOT_FOUND", "")
            raise CallRefused(403, "PERMISSION_DENIED", "")
        if is_live:
            assert page.live is not None
            return self._streams.answer(visit, page.live)
        assert page.show is not None
        if page.suggests_accounts:
            await visit.know_accounts()
        return await page.show(visit)


class _Endpoint:
    """One page, as Starlette calls it: an ASGI application, so that answers can be streams."""

    def __init__(self, console: Console, page: ConsolePage | None, *, is_live: bool = False) -> None:
        self._console = console
        self._page = page
        self._is_live = is_live

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        answer = await self._console.answer(request, self._page, is_live=self._is_live)
        packs = "gzip" in request.headers.get("accept-encoding", "")
        await answer(scope, receive, _Finishing(send, self._console.headers, packs=packs).send)


class _Finishing:
    """Adds the headers that all answers have, and packs pages."""

    def __init__(self, send: Send, headers: Mapping[str, str], *, packs: bool) -> None:
        self._send = send
        self._headers = headers
        self._packs = packs
        self._start: Message | None = None

    async def send(self, message: Message) -> None:
        """Send a piece of an answer."""
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in self._headers.items():
                headers.setdefault(name, value)
            headers.setdefault("cache-control", "no-store")
            if self._packs and headers.get("content-type", "").startswith("text/html"):
                self._start = message
                return
        elif self._start is not None:
            start, self._start = self._start, None
            body = message.get("body", b"")
            headers = MutableHeaders(scope=start)
            headers["vary"] = "accept-encoding"
            if not message.get("more_body", False) and len(body) >= _PACKED:
                # The level that takes 1 ms of a large page.
                message = {**message, "body": gzip.compress(body, 4, mtime=0)}
                headers["content-encoding"] = "gzip"
                headers["content-length"] = str(len(message["body"]))
            await self._send(start)
        await self._send(message)


def failed(visit: Visit, refused: CallRefused) -> Response:
    """A page that says what went wrong, and what to do."""
    if refused.status == 401 and visit.path != SIGN_IN:
        return RedirectResponse(SIGN_IN, 303)
    known = refused.status if refused.status in (400, 403, 404, 409, 413, 429, 503) else 500
    kind = "forged" if refused.code == "FORGED" else str(known)
    frame = "frame.html" if visit.session is not None else "plain.html"
    return visit.show(
        "failed.html", refused.status, frame=frame, kind=kind, refused=refused, title=visit.t(f"failed.{kind}")
    )


async def _form(request: Request, most: int) -> Mapping[str, Sequence[str]]:
    """The fields of a POST. Raises CallRefused."""
    if request.method != "POST":
        return {}
    if not re.match(r"application/x-www-form-urlencoded\b", request.headers.get("content-type", "")):
        raise CallRefused(400, "INVALID_ARGUMENT", "")
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > most:
            raise CallRefused(413, "TOO_LONG", "")
    try:
        return parse_qs(body.decode(), keep_blank_values=True, max_num_fields=_FIELDS)
    except ValueError as error:
        raise CallRefused(400, "INVALID_ARGUMENT", "") from error
