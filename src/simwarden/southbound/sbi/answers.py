"""Answers of a service based interface: JSON, and ProblemDetails (RFC 9457 as 3GPP TS 29.500 5.2.7 has it)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from starlette.types import Send

Headers = tuple[tuple[bytes, bytes], ...]
_JSON = (b"content-type", b"application/json")
_PROBLEM = (b"content-type", b"application/problem+json")
_encode = msgspec.json.Encoder().encode


class Problem(Exception):
    """A request that is refused.

    `cause` is one of TS 29.500 table 5.2.7.2-1 or of the service's own specification; `parameters`: the names of query
    parameters or attributes that are wrong, with the reason.
    """

    def __init__(
        self,
        status: int,
        title: str,
        cause: str | None = None,
        *,
        parameters: tuple[tuple[str, str], ...] = (),
        headers: Headers = (),
    ) -> None:
        super().__init__(title)
        self.status = status
        self.title = title
        self.cause = cause
        self.parameters = parameters
        self.headers = headers

    @property
    def body(self) -> bytes:
        """As ProblemDetails."""
        body: dict[str, Any] = {"title": self.title, "status": self.status}
        if self.cause is not None:
            body["cause"] = self.cause
        if self.parameters:
            body["invalidParams"] = [{"param": name, "reason": reason} for name, reason in self.parameters]
        return _encode(body)


async def answer(send: Send, status: int, body: bytes, headers: Headers = ()) -> None:
    """Send an answer in JSON; one without a body where there is none."""
    kind = (_JSON,) if body else ()
    await _send(send, status, body, (*kind, *headers))


async def refuse(send: Send, problem: Problem) -> None:
    """Send ProblemDetails."""
    await _send(send, problem.status, problem.body, (_PROBLEM, *problem.headers))


async def _send(send: Send, status: int, body: bytes, headers: Headers) -> None:
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})
