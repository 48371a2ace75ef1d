"""`/openapi/` with the documents, and `/docs` with the page. All of it is public, and complete without the internet."""

from __future__ import annotations

import gzip
import hashlib
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

import msgspec
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from simwarden.edge import errors

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from simwarden.reference.documents import Documents

_ASSETS = {
    "docs.css": "text/css; charset=utf-8",
    "docs.js": "text/javascript; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "LICENSE": "text/plain; charset=utf-8",
    "NOTICE": "text/plain; charset=utf-8",
}
"""What the page needs, and the licence of what is not our own."""
_POLICY = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
"""A secret is typed into the page: it may talk to this server only, and nothing foreign runs in it."""
_ANYBODY = {"access-control-allow-origin": "*"}
"""Contracts are no secret; editors and generators in a browser may read them."""


class _File(msgspec.Struct, frozen=True):
    """An answer that is the same every time."""

    body: bytes
    packed: bytes
    tag: str
    media_type: str


def _file(body: bytes, media_type: str) -> _File:
    return _File(body, gzip.compress(body, 6, mtime=0), f'"{hashlib.sha256(body).hexdigest()[:32]}"', media_type)


@cache
def _asset(name: str) -> _File:
    folder = resources.files("simwarden.reference") / "assets"
    own = folder / name
    entry = own if own.is_file() else folder / "swagger-ui" / name
    return _file(entry.read_bytes(), _ASSETS.get(name, "text/html; charset=utf-8"))


def routes(documents: Documents, *, page: bool = True) -> list[BaseRoute]:
    """The routes, to be put into the server's table; without `page` the documents alone."""
    kept: dict[str, _File] = {}

    def keep(name: str, body: bytes, media_type: str) -> _File:
        if name not in kept:
            kept[name] = _file(body, media_type)
        return kept[name]

    async def index(request: Request) -> Response:
        return _answer(request, keep("", documents.index, "application/json"), _ANYBODY)

    async def document(request: Request) -> Response:
        file = request.path_params["file"]
        name, _, suffix = file.rpartition(".")
        found = documents.find(name)
        if found is None or suffix not in ("yaml", "json"):
            return _missing(request)
        if suffix == "json":
            return _answer(request, keep(file, found.json, "application/json"), _ANYBODY)
        return _answer(request, keep(file, found.text.encode(), "application/yaml"), _ANYBODY)

    async def shown(request: Request) -> Response:
        return _answer(request, _asset("index.html"), _POLICY)

    async def asset(request: Request) -> Response:
        name = request.path_params["name"]
        return _answer(request, _asset(name), _POLICY) if name in _ASSETS else _missing(request)

    async def slash(_request: Request) -> Response:
        return RedirectResponse("openapi/", 308)

    async def start(_request: Request) -> Response:
        return RedirectResponse("docs", 307)

    found = [
        Route("/openapi", slash, methods=["GET"]),
        Route("/openapi/", index, methods=["GET"]),
        Route("/openapi/{file}", document, methods=["GET"]),
    ]
    if page:
        found += [
            Route("/", start, methods=["GET"]),
            Route("/docs", shown, methods=["GET"]),
            Route("/docs/assets/{name}", asset, methods=["GET"]),
        ]
    return list(found)


def _answer(request: Request, file: _File, extra: dict[str, str]) -> Response:
    headers = {"etag": file.tag, "cache-control": "no-cache", "vary": "accept-encoding", **extra}
    if file.tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    body = file.body
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["content-encoding"] = "gzip"
        body = file.packed
    return Response(body, headers={**headers, "content-type": file.media_type})


def _missing(request: Request) -> Response:
    text = "There is no such document; /openapi/ lists those there are."
    return errors.error(request.scope["headers"], 404, "NOT_FOUND", text)
