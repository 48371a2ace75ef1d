"""A worker until it can work: it listens, says that it waits for the database, and opens when it can.

Nothing that happens to the database ends a worker, so nothing that happens to it can end the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import multiprocessing
import os
from typing import TYPE_CHECKING, TypeVar

import msgspec
import structlog
from starlette.responses import Response
from starlette.routing import Mount, Route

from simwarden import __version__
from simwarden.domain.errors import SimwardenError, StoreUnavailable
from simwarden.northbound.kernel import headers as header_rules
from simwarden.northbound.kernel.errors import info

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from starlette.requests import Request
    from starlette.routing import BaseRoute
    from starlette.types import Receive, Scope, Send

T = TypeVar("T")
_log = structlog.get_logger()
FIRST = 5.0
"""Seconds for which a worker tries to open before it begins to listen: who can open at once turns nobody away."""
PAUSES = (0.2, 0.5, 1.0, 2.0)
"""Seconds between attempts; the last one stays."""
_RETRY = {"retry-after": "1"}


class Opening:
    """Opens as soon as it can, and answers until then."""

    def __init__(self) -> None:
        self._reason = "not tried yet"
        self._is_open = False
        self._tried = asyncio.Event()
        self._stop = asyncio.Event()

    @contextlib.asynccontextmanager
    async def kept_open(
        self, open_: Callable[[], AbstractAsyncContextManager[T]], opened: Callable[[T], None]
    ) -> AsyncIterator[None]:
        """Try to enter `open_()` until it succeeds, then call `opened` with what it gave; leave it at the end.

        Begins when that is done, when the first attempt has failed, or after `FIRST` seconds.
        """
        watch = asyncio.create_task(_end_with_parent(), name="parent-watch")
        task = asyncio.create_task(self._keep_open(open_, opened), name="opening")
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FIRST):
                    await self._tried.wait()
            yield
        finally:
            self._stop.set()
            if not self._is_open:
                task.cancel()
            [ended] = await asyncio.gather(task, return_exceptions=True)
            if isinstance(ended, Exception):
                _log.error("the worker did not stop in order", exc_info=ended)
            watch.cancel()

    async def _keep_open(
        self, open_: Callable[[], AbstractAsyncContextManager[T]], opened: Callable[[T], None]
    ) -> None:
        for pause in itertools.chain(PAUSES, itertools.repeat(PAUSES[-1])):
            async with contextlib.AsyncExitStack() as stack:
                try:
                    made = await stack.enter_async_context(open_())
                except Exception as error:  # the boundary: whatever it is, it may be over in a moment
                    self._tell(error)
                else:
                    opened(made)
                    self._is_open = True
                    self._tried.set()
                    await self._stop.wait()
                    return
            self._tried.set()
            await asyncio.sleep(pause)

    def _tell(self, error: Exception) -> None:
        """Each reason once, not at every attempt."""
        reason = error.message if isinstance(error, SimwardenError) else f"{type(error).__name__}: {error}"
        if reason == self._reason:
            return
        self._reason = reason
        if isinstance(error, (SimwardenError, OSError)):
            _log.warning("the worker waits to begin", reason=reason)
        else:
            _log.error("the worker cannot begin, and tries again", exc_info=error)

    def routes(self) -> list[BaseRoute]:
        """What is answered while it is not open: that the process lives, and to all else 503 in its protocol's form."""
        return [
            Route("/healthz", _healthz),
            Route("/readyz", self._readyz),
            Mount("/southbound", app=_answer({"code": 503, "reason": "The server is starting, send again"})),
            Mount(
                "/oauth2",
                app=_answer({"error": "temporarily_unavailable", "error_description": "The server is starting"}),
            ),
            Mount("/", app=_camara),
        ]

    async def _readyz(self, _request: Request) -> Response:
        return _json(503, {"status": "not ready", "database": self._reason})


async def _healthz(_request: Request) -> Response:
    return _json(200, {"status": "ok", "version": __version__})


def _answer(body: object) -> Response:
    return _json(503, body, _RETRY)


async def _camara(scope: Scope, receive: Receive, send: Send) -> None:
    error: SimwardenError = StoreUnavailable()
    try:
        correlator = header_rules.correlator(header_rules.read(scope["headers"]).correlator)
    except SimwardenError as invalid:
        error, correlator = invalid, header_rules.correlator(None)
    headers = {**(_RETRY if error.status == 503 else {}), "x-correlator": correlator}
    await _json(error.status, info(error), headers)(scope, receive, send)


def _json(status: int, body: object, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(body), status_code=status, headers=headers, media_type="application/json")


async def _end_with_parent() -> None:
    """A worker whose supervisor was killed would keep the port from the next one: end at once, as in a crash."""
    supervisor = multiprocessing.parent_process()
    parent = os.getppid() if supervisor is None else supervisor.pid
    while os.getppid() == parent:  # noqa: ASYNC110 - nothing else tells
        await asyncio.sleep(0.2)
    _log.error("the supervising process is gone, this worker ends")
    os._exit(70)
