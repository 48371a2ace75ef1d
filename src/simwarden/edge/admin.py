"""A listener of its own for administrators: the same application, served through aiohttp by every worker."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import web

if TYPE_CHECKING:
    import ssl

    from starlette.types import ASGIApp, Message, Scope

HEAD_BYTES = 16 * 1024
"""Of a line of a request's head."""


class AdminListener:
    """Serves an ASGI application at one address; `scope["admin"]` says that a request came this way."""

    def __init__(self, app: ASGIApp, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        self._app = app
        self._host = host
        self._port = port
        self._tls = tls
        self._runner: web.ServerRunner | None = None

    async def start(self) -> None:
        """Listen; all workers share the port. Raises OSError."""
        server = web.Server(self._serve, max_line_size=HEAD_BYTES, max_field_size=HEAD_BYTES)
        self._runner = web.ServerRunner(server)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port, reuse_port=True, ssl_context=self._tls).start()

    async def stop(self) -> None:
        """Listen no more."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        answer: web.StreamResponse | None = None

        async def receive() -> Message:
            try:
                piece = await request.content.readany()
            except (aiohttp.ClientError, aiohttp.http_exceptions.HttpProcessingError, OSError):
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": piece, "more_body": not request.content.at_eof()}

        async def send(message: Message) -> None:
            nonlocal answer
            if message["type"] == "http.response.start":
                answer = web.StreamResponse(status=message["status"])
                for name, value in message["headers"]:
                    answer.headers.add(name.decode("latin-1"), value.decode("latin-1"))
                await answer.prepare(request)
                return
            assert answer is not None, "the head comes first"
            if message.get("body"):
                await answer.write(message["body"])
            if not message.get("more_body", False):
                await answer.write_eof()

        with contextlib.suppress(ConnectionResetError):
            await self._app(_scope(request), receive, send)
        if answer is None:
            return web.Response(status=500)
        await asyncio.sleep(0)
        return answer


def _scope(request: web.BaseRequest) -> Scope:
    path, _, query = request.raw_path.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": f"{request.version.major}.{request.version.minor}",
        "method": request.method,
        "scheme": request.scheme,
        "path": request.path,
        "raw_path": path.encode("latin-1", "replace"),
        "query_string": query.encode("latin-1", "replace"),
        "root_path": "",
        "headers": [(name.lower(), value) for name, value in request.raw_headers],
        "client": (request.remote or "", 0),
        "server": request.transport.get_extra_info("sockname")[:2] if request.transport else None,
        "admin": True,
    }
