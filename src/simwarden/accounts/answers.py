"""Requests to the authorization server and answers of it: forms, JSON, and errors of RFC 6749 clause 5.2."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import msgspec
from starlette.responses import Response

from simwarden.edge.bodies import BodyRefused, read_body

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

MAX_FORM = 16 * 1024
"""Bytes of a request, and characters of a query."""
_FORM = "application/x-www-form-urlencoded"
_FIELDS = 32
_encoder = msgspec.json.Encoder()


class OAuthError(Exception):
    """An answer in the format of RFC 6749 clause 5.2."""

    def __init__(self, status: int, error: str, description: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(description)
        self.status = status
        self.error = error
        self.description = description
        self.headers = headers or {}


def invalid_request(description: str) -> OAuthError:
    """The request lacks something, or is malformed."""
    return OAuthError(400, "invalid_request", description)


def invalid_grant(description: str) -> OAuthError:
    """What the client brought is no good for a token."""
    return OAuthError(400, "invalid_grant", description)


def json_answer(
    body: object, status: int = 200, headers: Mapping[str, str] | None = None, *, secret: bool = False
) -> Response:
    """A JSON answer; a `secret` one must not be kept by anyone (RFC 6749 clause 5.1)."""
    kept = {"cache-control": "no-store", "pragma": "no-cache"} if secret else {}
    return Response(_encoder.encode(body), status, {**kept, **(headers or {})}, "application/json")


def error_answer(error: OAuthError) -> Response:
    """The answer for an error."""
    body = {"error": error.error, "error_description": printable(error.description)}
    return json_answer(body, error.status, error.headers, secret=True)


async def read_form(request: Request) -> dict[str, str]:
    """The parameters of a form-encoded body; an empty one counts as absent (RFC 6749 clause 3.2)."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise invalid_request(f"The body must be of type {_FORM}")
    try:
        body = await read_body(request.receive, request.headers.get("content-length"), MAX_FORM)
    except BodyRefused as error:
        code = {429: "slow_down", 503: "temporarily_unavailable"}.get(error.status, "invalid_request")
        wait = {} if error.retry_after is None else {"retry-after": str(error.retry_after)}
        raise OAuthError(error.status, code, error.message, wait) from error
    return parameters(body)


def parameters(encoded: bytes) -> dict[str, str]:
    """Form-encoded parameters, each once. Raises OAuthError."""
    try:
        pairs = parse_qsl(encoded.decode("ascii"), errors="strict", max_num_fields=_FIELDS)
    except ValueError as error:
        raise invalid_request("The parameters are not form-encoded UTF-8") from error
    form = dict(pairs)
    if len(form) != len(pairs):
        raise invalid_request("A parameter must not be repeated")
    return form


def printable(text: str) -> str:
    """`text` within the characters and the length of an error_description (RFC 6749 clause 5.2)."""
    return "".join(char if 0x20 <= ord(char) < 0x7F and char not in '"\\' else "?" for char in text[:300])
