"""Errors of requests that no API has taken: unknown paths, refused bodies, failures. In the CAMARA error model."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING

import msgspec
import structlog
from starlette.exceptions import HTTPException
from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from starlette.requests import Request

    from simwarden.edge.bodies import BodyRefused

CORRELATOR = re.compile(r"[a-zA-Z0-9\-_:;./<>{}]{1,256}")
"""What an x-correlator may be (CAMARA Commonalities 0.8)."""
_log = structlog.get_logger()
_TEXTS = {
    404: ("NOT_FOUND", "There is nothing at this path; /docs lists what is served"),
    405: ("METHOD_NOT_ALLOWED", "The requested method is not allowed or supported on the target resource."),
}


def error(
    scope_headers: Iterable[tuple[bytes, bytes]],
    status: int,
    code: str,
    message: str,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """An answer `{status, code, message}` with the request's x-correlator, or a new one."""
    given = next((value.decode("latin-1") for name, value in scope_headers if name == b"x-correlator"), "")
    correlator = given if CORRELATOR.fullmatch(given) else str(uuid.uuid4())
    body = msgspec.json.encode({"status": status, "code": code, "message": message})
    return Response(body, status, {**(headers or {}), "x-correlator": correlator}, "application/json")


def of_body(scope_headers: Iterable[tuple[bytes, bytes]], refused: BodyRefused) -> Response:
    """The answer for a body that was refused."""
    headers = {} if refused.retry_after is None else {"retry-after": str(refused.retry_after)}
    return error(scope_headers, refused.status, refused.code, refused.message, headers)


async def _http_error(request: Request, raised: Exception) -> Response:
    assert isinstance(raised, HTTPException)
    code, message = _TEXTS.get(raised.status_code, ("INVALID_ARGUMENT", raised.detail))
    return error(request.scope["headers"], raised.status_code, code, message, raised.headers)


async def _failure(request: Request, raised: Exception) -> Response:
    answer = error(
        request.scope["headers"], 500, "INTERNAL", "Unknown server error. Tell the operator the x-correlator."
    )
    correlator = answer.headers["x-correlator"]
    _log.error("request failed", method=request.method, path=request.url.path, correlator=correlator, exc_info=raised)
    return answer


HANDLERS: dict[type[Exception] | int, Callable[[Request, Exception], Awaitable[Response]]] = {
    HTTPException: _http_error,
    Exception: _failure,
}
"""For Starlette: what is answered where no route has answered itself."""
