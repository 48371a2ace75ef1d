"""Calls to network functions: HTTP/2, with prior knowledge where there is no TLS (3GPP TS 29.500 5.2)."""

from __future__ import annotations

import logging
from typing import Any

import httpx
import msgspec

LONGEST = 65_536
"""Octets of an answer that are read."""


logging.getLogger("httpx").setLevel(logging.WARNING)  # else a line for each request


class NoAnswer(Exception):
    """The network function gave no answer, or none that can be read."""


class Reply(msgspec.Struct, frozen=True):
    """What it answered."""

    status: int
    body: dict[str, Any]
    """Empty where there is none, or it is no JSON object."""
    location: str | None = None


class SbiClient:
    """Connections are kept, one to each network function."""

    def __init__(self, timeout: float) -> None:
        """`timeout`: seconds that an answer may take."""
        self._timeout = timeout
        self._client: httpx.AsyncClient | None = None

    async def send(self, method: str, url: str, body: object = None, kind: str = "application/json") -> Reply:
        """Call a network function. Raises NoAnswer."""
        if self._client is None:
            self._client = httpx.AsyncClient(http1=False, http2=True, timeout=self._timeout, trust_env=False)
        content = None if body is None else msgspec.json.encode(body)
        headers = {} if body is None else {"content-type": kind}
        try:
            async with self._client.stream(method, url, content=content, headers=headers) as answer:
                data = b""
                async for piece in answer.aiter_bytes():
                    data += piece
                    if len(data) > LONGEST:
                        raise NoAnswer(f"{method} {url}: the answer is too long")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NoAnswer(f"{method} {url}: {error or type(error).__name__}") from error
        try:
            found = msgspec.json.decode(data) if data else {}
        except (msgspec.DecodeError, ValueError, RecursionError):  # ValueError: no UTF-8
            found = {}
        return Reply(answer.status_code, found if isinstance(found, dict) else {}, answer.headers.get("location"))

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None
