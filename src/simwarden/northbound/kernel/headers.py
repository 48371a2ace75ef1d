"""The request headers that matter, and what those of HTTP and x-correlator may say."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

from simwarden.edge.errors import CORRELATOR
from simwarden.kit.ids import uuid4_text
from simwarden.northbound.kernel.errors import InvalidArgument, NotAcceptable, UnsupportedMediaType

if TYPE_CHECKING:
    from collections.abc import Iterable

MEDIA_TYPE = "application/json"
_ACCEPTED = frozenset({"*/*", "application/*", MEDIA_TYPE})
_NAMES = {
    b"x-correlator": 0,
    b"authorization": 1,
    b"content-type": 2,
    b"content-encoding": 3,
    b"content-length": 4,
    b"idempotency-key": 5,
}
"""Those of every call, with their places in `Headers`."""


_STEPPED = -1
_NO_STEPS: Mapping[bytes, str] = MappingProxyType({})


class Headers(msgspec.Struct, frozen=True):
    """What a request says about itself."""

    correlator: str | None
    authorization: str | None
    content_type: str | None
    content_encoding: str | None
    content_length: str | None
    idempotency_key: str | None
    accept: str | None
    stepped: Mapping[bytes, str] = _NO_STEPS
    """Those that steps look at (`kernel.steps`), by name."""


def places(more: Iterable[bytes] = ()) -> Mapping[bytes, int]:
    """What to look for: the headers of every call, and `more` that steps look at. Names are in small letters."""
    return _NAMES | dict.fromkeys(more, _STEPPED)


def read(raw: Iterable[tuple[bytes, bytes]], places: Mapping[bytes, int] = _NAMES) -> Headers:
    """Pick the headers that matter in one pass; of a repeated one the first counts, Accept is joined."""
    found: list[str | None] = [None] * len(_NAMES)
    accept: str | None = None
    stepped = _NO_STEPS
    for name, value in raw:
        if name == b"accept":
            accept = f"{accept},{value.decode('latin-1')}" if accept else value.decode("latin-1")
            continue
        index = places.get(name)
        if index is None:
            continue
        if index == _STEPPED:
            stepped = {name: value.decode("latin-1"), **stepped}
        elif found[index] is None:
            found[index] = value.decode("latin-1")
    return Headers(found[0], found[1], found[2], found[3], found[4], found[5], accept, stepped)


def correlator(given: str | None) -> str:
    """The x-correlator of the answer: the client's own, or a new UUID (Design Guide 5.8.5). Raises InvalidArgument."""
    if not given:
        return uuid4_text()
    if not CORRELATOR.fullmatch(given):
        raise InvalidArgument("Invalid format: x-correlator")
    return given


def bearer(authorization: str | None) -> str | None:
    """The bearer token of an Authorization header (RFC 6750 2.1)."""
    if authorization is None:
        return None
    scheme, _, token = authorization.partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def check_accept(accept: str | None, produced: str = MEDIA_TYPE) -> None:
    """Raise NotAcceptable unless `produced` is among what the client accepts (RFC 9110 12.5.1).

    What produces something else than JSON takes a client that asks for JSON too: its errors are JSON.
    """
    if accept is None or accept in _ACCEPTED or not accept.strip():
        return
    ranges = (produced, f"{produced.partition('/')[0]}/*", "*/*")
    best: dict[str, float] = {}
    for entry in accept.split(","):
        media_type, *parameters = (part.strip().lower() for part in entry.split(";"))
        if media_type in ranges:
            best[media_type] = max(best.get(media_type, 0.0), _quality(parameters))
    for media_type in ranges:  # the most specific one that is there decides
        if media_type in best:
            if best[media_type] > 0:
                return
            break
    raise NotAcceptable


def check_content(headers: Headers) -> None:
    """Raise UnsupportedMediaType unless the body claims to be JSON in UTF-8; one that claims nothing is tried."""
    if headers.content_encoding not in (None, "identity"):
        raise UnsupportedMediaType
    if headers.content_type is None or headers.content_type == MEDIA_TYPE:
        return
    media_type, *parameters = (part.strip().lower() for part in headers.content_type.split(";"))
    charset = dict(parameter.partition("=")[::2] for parameter in parameters).get("charset", "utf-8")
    if media_type != MEDIA_TYPE or charset.strip('"') not in ("utf-8", "utf8"):
        raise UnsupportedMediaType


def _quality(parameters: Iterable[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
