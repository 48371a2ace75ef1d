"""Live parts: server-sent events that replace parts of a page, and begin again when the connection breaks."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

import msgspec
from starlette.responses import Response, StreamingResponse

from simwarden.console.calls import CallRefused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from simwarden.console.page import Stream
    from simwarden.console.visit import Visit

MOST = 200
"""Streams that a worker keeps open; who comes beyond that tries again later."""
EVERY = 2.0
"""Seconds between two looks."""
LONGEST = 6.0
"""Seconds after which a stream ends, and the browser begins another. A worker that stops waits for its requests, ten
seconds at most: so a stream must end sooner than that."""
_RETRY = b"retry: 500\n\n"
_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no", "content-type": "text/event-stream"}


class LivePart(msgspec.Struct, frozen=True):
    """The new content of an element, which a page marks with `data-part`."""

    name: str
    html: str


class Streams:
    """Those that are open in this worker."""

    def __init__(self) -> None:
        self._stopped = asyncio.Event()
        self._open = 0

    def stop(self) -> None:
        """End all of them: the worker stops."""
        self._stopped.set()

    def answer(self, visit: Visit, stream: Stream) -> Response:
        """The stream of a page, or 503 when too many are open."""
        if self._open >= MOST or self._stopped.is_set():
            return Response(status_code=503, headers={"retry-after": "10"})
        return StreamingResponse(self._pieces(visit, stream), headers=_HEADERS)

    async def _pieces(self, visit: Visit, stream: Stream) -> AsyncIterator[bytes]:
        self._open += 1
        try:
            yield _RETRY
            sent: dict[str, str] = {}
            until = time.monotonic() + LONGEST
            async with contextlib.aclosing(stream(visit)) as rounds:  # type: ignore[type-var]
                async for parts in rounds:
                    yield _changed(parts, sent)
                    if time.monotonic() > until or await self._paused(EVERY):
                        break
        except CallRefused as refused:
            yield f"event: {'signed-out' if refused.status in (401, 403) else 'refused'}\ndata: -\n\n".encode()
        finally:
            self._open -= 1

    async def _paused(self, seconds: float) -> bool:
        """Wait; True when the worker stops meanwhile."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), seconds)
        return self._stopped.is_set()


def _changed(parts: Sequence[LivePart], sent: dict[str, str]) -> bytes:
    """Events for the parts that differ from what was sent before; a comment when none does."""
    fresh = [part for part in parts if sent.get(part.name) != part.html]
    sent.update((part.name, part.html) for part in fresh)
    return b"".join(_event(part) for part in fresh) or b": nothing new\n\n"


def _event(part: LivePart) -> bytes:
    lines = "".join(f"data: {line}\n" for line in part.html.splitlines())
    return f"event: part\nid: {part.name}\ndata: {part.name}\n{lines}\n".encode()
