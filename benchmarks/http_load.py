"""A cheap load generator, of HTTP/1.1 by itself: kept connections, ready-made requests, times since they were due."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import msgspec

_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)\r\n", re.IGNORECASE)


class Result(msgspec.Struct):
    """What a run gave."""

    seconds: float
    latencies: list[float]
    """Milliseconds from when each request was due to its answer."""
    statuses: dict[int, int]
    late: int = 0
    """Requests that were due and never sent because the time was over."""

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.latencies) / self.seconds


class Connection(asyncio.Protocol):
    """One connection, on which a request follows the answer to the one before it."""

    def __init__(self, idle: Callable[[Connection], None]) -> None:
        self._idle = idle
        self._buffer = b""
        self._due = 0.0
        self._transport: asyncio.Transport | None = None
        self.result: Result | None = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def send(self, request: bytes, due: float) -> None:
        """Send a request that was due at this time."""
        assert self._transport is not None
        self._due = due
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
        end = data.find(b"\r\n\r\n")
        found = _LENGTH.search(data, 0, end + 2) if end >= 0 else None
        if end < 0 or len(data) < end + 4 + (int(found[1]) if found else 0):
            self._buffer = data
            return
        self._buffer = b""
        self.answered(int(data[9:12]))

    def answered(self, status: int) -> None:
        """Count the answer, and be idle."""
        assert self.result is not None
        self.result.latencies.append((time.perf_counter() - self._due) * 1000)
        self.result.statuses[status] = self.result.statuses.get(status, 0) + 1
        self._idle(self)


def request(url: str, body: bytes, headers: dict[str, str]) -> bytes:
    """A POST as bytes."""
    parts = urlsplit(url)
    lines = [f"POST {parts.path} HTTP/1.1", f"Host: {parts.netloc}", "Content-Type: application/json"]
    lines += [f"{name}: {value}" for name, value in headers.items()] + [f"Content-Length: {len(body)}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


async def run(
    url: str,
    make: Callable[[int], bytes],
    *,
    seconds: float,
    connections: int,
    rate: float | None = None,
    protocol: type[Connection] = Connection,
) -> Result:
    """Send `make(n)` for n = 0, 1, 2 ... for `seconds`, over `connections`.

    Without `rate` each connection sends again as soon as it is answered; with it, requests are due evenly spaced, and a
    request that waits for a free connection waits in its latency (no coordinated omission).
    """
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    loop = asyncio.get_running_loop()
    result = Result(seconds, [], Counter())
    number = 0
    stopped = False
    idle: deque[Connection] = deque()

    def next_closed(connection: Connection) -> None:
        nonlocal number
        if not stopped:
            number += 1
            connection.send(make(number), time.perf_counter())

    waiting: deque[float] = deque()

    def next_paced(connection: Connection) -> None:
        nonlocal number
        if waiting and not stopped:
            number += 1
            connection.send(make(number), waiting.popleft())
        else:
            idle.append(connection)

    opened = []
    for _ in range(connections):
        transport, connection = await loop.create_connection(
            lambda: protocol(next_closed if rate is None else next_paced), parts.hostname, parts.port
        )
        connection.result = result
        opened.append((transport, connection))
    began = time.perf_counter()
    if rate is None:
        for _, connection in opened:
            next_closed(connection)
        await asyncio.sleep(seconds)
    else:
        idle.extend(connection for _, connection in opened)
        due = began
        while (now := time.perf_counter()) < began + seconds:
            while due <= now:
                waiting.append(due)
                due += 1 / rate
            while waiting and idle:
                next_paced(idle.popleft())
            await asyncio.sleep(0.001)
    stopped = True
    result.seconds = time.perf_counter() - began
    result.late = len(waiting)
    for transport, _ in opened:
        transport.close()
    return result
