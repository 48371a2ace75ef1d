"""A small loopback HTTP server, the same for the control server and the sink."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

from aiohttp import web

LOOPBACK = "127.0.0.1"


async def stop_task(task: asyncio.Task[None] | None) -> None:
    """Cancel a task and wait for its end; an error it died of is raised here, not lost."""
    if task is not None:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


class Serving:
    """Serves some routes on 127.0.0.1 and writes no access log (queries may carry credentials)."""

    def __init__(
        self, routes: Sequence[web.RouteDef], *, port: int = 0, middlewares: Sequence[Any] = (), largest: int = 4 << 20
    ) -> None:
        """`port` 0 takes a free one; `largest` is the largest body in bytes."""
        self._routes = routes
        self._port = port
        self._middlewares = middlewares
        self._largest = largest
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        return f"http://{LOOPBACK}:{self._port}"

    async def start(self) -> None:
        """Listen."""
        app = web.Application(client_max_size=self._largest, middlewares=self._middlewares)
        app.add_routes(self._routes)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05, handle_signals=False)
        await self._runner.setup()
        await web.TCPSite(self._runner, LOOPBACK, self._port, backlog=512).start()
        self._port = self._runner.addresses[0][1]

    async def close(self) -> None:
        """Stop listening and end what is open."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
