"""Static files: read once, packed once, named by what they hold, so that a browser asks for each of them once."""

from __future__ import annotations

import gzip
import hashlib
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec
from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "json": "application/json",
}
_KEPT = {"cache-control": "public, max-age=31536000, immutable", "vary": "accept-encoding"}
_POLICY = {"content-security-policy": "default-src 'none'; style-src 'self'", "x-content-type-options": "nosniff"}


class Asset(msgspec.Struct, frozen=True):
    """A file, as it is and packed."""

    body: bytes
    packed: bytes
    media_type: str


@cache
def assets() -> Mapping[str, Asset]:
    """All files by name."""
    folder = resources.files(__package__ or "simwarden.console") / "static"
    found = {}
    for file in sorted(folder.iterdir(), key=lambda each: each.name):
        body, suffix = file.read_bytes(), file.name.rpartition(".")[2]
        if suffix in _TYPES:
            found[file.name] = Asset(body, gzip.compress(body, 9, mtime=0), _TYPES[suffix])
    return MappingProxyType(found)


@cache
def version() -> str:
    """Changes with any of the files: modules of scripts name each other relatively."""
    digest = hashlib.sha256()
    for name, asset in assets().items():
        digest.update(name.encode() + b"\0" + asset.body)
    return digest.hexdigest()[:16]


def path(name: str) -> str:
    """Where a page finds a file. Raises KeyError."""
    assert name in assets(), name
    return f"/console/static/{version()}/{name}"


def answer(request: Request) -> Response:
    """A file; an old version's name leads to the newest, which is not kept then."""
    asset = assets().get(request.path_params["name"])
    if asset is None:
        return Response(status_code=404)
    headers = {**_POLICY, **_KEPT, "content-type": asset.media_type}
    if request.path_params["version"] != version():
        headers["cache-control"] = "no-cache"
    body = asset.body
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["content-encoding"] = "gzip"
        body = asset.packed
    return Response(body, headers=headers)
