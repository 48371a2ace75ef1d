"""Idempotency-Key: what an application calls one call of its own, and what was asked under that name.

The header is optional on the operations that change something. 1 to 255 visible ASCII characters; a UUID is a good one.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

import msgspec

from simwarden.engine.idempotency import CallKey
from simwarden.northbound.kernel.errors import InvalidArgument

if TYPE_CHECKING:
    from simwarden.northbound.kernel.ports import TokenHolder

_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_encoder = msgspec.json.Encoder(order="sorted")


class RequestKey(msgspec.Struct, frozen=True):
    """A call that its client has given a name."""

    name: CallKey
    digest: bytes
    """Of what is asked, and of whom; the order of JSON properties and blanks between them do not count."""


def named(given: str | None, caller: TokenHolder, path: str, query: str, body: bytes) -> RequestKey | None:
    """The call's name, if it has one. Raises InvalidArgument for one that is too long or not visible ASCII."""
    if given is None:
        return None
    if not _KEY.fullmatch(given):
        raise InvalidArgument("Invalid format: Idempotency-Key")
    asked = _encoder.encode([path, query, caller.device])
    return RequestKey(CallKey(caller.app_key, given), hashlib.sha256(asked + _canonical(body)).digest())


def _canonical(body: bytes) -> bytes:
    try:
        return _encoder.encode(msgspec.json.decode(body))
    except (ValueError, RecursionError):  # it will be refused when it is read
        return body
