"""A server that answers every request with the same few bytes: what the machine itself gives at a rate.

Its times hold whatever the load generator, the loopback, Granian and other guests of the machine add. Those of a call
are to be read beside them, from the same run.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from benchmarks import http_load, machine
from simwarden.demo.processes import free_port

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

_BODY = json.dumps({"answer": "x" * 100}).encode()
_HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(_BODY)).encode())]
_REQUEST_BODY = json.dumps({"device": {"phoneNumber": "+86900000000001"}}).encode()
_TOKEN = {"Authorization": f"Bearer {'x' * 400}"}


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Read the request, and answer. Granian loads this."""
    if scope["type"] != "http":
        return
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": _BODY})


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[str]:
    """The URL of such a server, which runs until the end."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "granian", "--interface", "asgi", "--loop", "uvloop", "--no-ws"),
        *("--log-level", "error", "--port", str(port), "benchmarks.bare:application"),
    )
    try:
        for _ in range(200):
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                break
            await asyncio.sleep(0.05)
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        await process.wait()


async def paced(url: str, seconds: float, rate: float, connections: int = 64) -> str:
    """The times of the bare server at a rate, in words."""
    run = await _run(url, seconds, rate, connections)
    return f"a bare server at the same rate: {machine.percentiles(run.latencies)}"


async def p99(url: str, seconds: float, rate: float) -> float:
    """What the p99 of the bare server is at a rate, in milliseconds."""
    run = await _run(url, seconds, rate, 64)
    return sorted(run.latencies)[int(0.99 * len(run.latencies))]


async def _run(url: str, seconds: float, rate: float, connections: int) -> http_load.Result:
    request = http_load.request(url, _REQUEST_BODY, _TOKEN)
    return await http_load.run(url, lambda _n: request, seconds=seconds, connections=connections, rate=rate)
