"""Pushes a gateway's reports to its report URL: one at a time, in order, over a kept connection.

How often a real device repeats a push that was not answered is not documented; here it is a bounded number of
attempts, then the push is dropped and counted.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from simwarden.simulator.serving import stop_task

#: Pushes remembered for the control server.
HISTORY = 1000

#: Pushes that may wait; more are dropped and counted.
BACKLOG = 20_000

CONTENT_TYPE = "application/json;charset=utf-8"


@dataclass(slots=True, eq=False)
class SentReport:
    """One report on its way; times are wall-clock epoch nanoseconds."""

    kind: str
    body: bytes
    slots: list[str]
    size: int = 0
    """Bytes of the body, which is forgotten once it is delivered."""

    attempts: int = 0
    sent_ns: int | None = None
    answered_ns: int | None = None
    http_status: int | None = None
    outcome: str = "queued"
    """queued, answered (2xx), rejected (any other final status) or dropped (no usable answer)."""

    finished: asyncio.Event = field(default_factory=asyncio.Event)

    def describe(self) -> dict[str, Any]:
        """The form of the control server."""
        return {
            "type": self.kind,
            "slots": self.slots,
            "bytes": self.size,
            "attempts": self.attempts,
            "sent_ns": self.sent_ns,
            "answered_ns": self.answered_ns,
            "http_status": self.http_status,
            "outcome": self.outcome,
        }


class Reporter:
    """The pushing half of a gateway. It sends nothing without a URL or while paused."""

    def __init__(
        self, url: str | None = None, *, attempts: int = 3, retry_delay: float = 0.2, timeout: float = 5.0
    ) -> None:
        """`timeout` and `retry_delay` in seconds; no answer, 429 and 5xx are tried again, up to `attempts` in all."""
        self.url = url
        self.attempts = attempts
        self.retry_delay = retry_delay
        self.timeout = timeout
        self.paused = False
        self.sent = 0
        self.answered = 0
        self.rejected = 0
        self.dropped = 0
        self.history: deque[SentReport] = deque(maxlen=HISTORY)
        self._queue: asyncio.Queue[SentReport] = asyncio.Queue(BACKLOG)
        self._session: aiohttp.ClientSession | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to send."""
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=self.timeout),
            connector=aiohttp.TCPConnector(limit=2, keepalive_timeout=300),
            auto_decompress=False,
        )
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop sending; what still waits is dropped."""
        await stop_task(self._task)
        self.discard()
        if self._session is not None:
            await self._session.close()

    def push(self, kind: str, message: dict[str, Any] | bytes, slots: list[str] | None = None) -> SentReport:
        """Queue a report; `message` as bytes is sent as it is."""
        body = message if isinstance(message, bytes) else json.dumps(message, ensure_ascii=False).encode()
        entry = SentReport(kind=kind, body=body, slots=slots or [], size=len(body))
        if self.paused or self.url is None or self._queue.full():
            self._drop(entry)
        else:
            self._queue.put_nowait(entry)
        return entry

    def discard(self) -> None:
        """Drop what waits, as a device that lost its power does."""
        while not self._queue.empty():
            self._drop(self._queue.get_nowait())

    def _drop(self, entry: SentReport) -> None:
        entry.outcome = "dropped"
        entry.body = b""
        entry.finished.set()
        if not self.paused and self.url is not None:
            self.dropped += 1
            self.history.append(entry)

    async def _run(self) -> None:
        while True:
            entry = await self._queue.get()
            self.history.append(entry)
            try:
                await self._deliver(entry)
            finally:
                entry.body = b""
                entry.finished.set()

    async def _deliver(self, entry: SentReport) -> None:
        while not self.paused and self.url is not None and entry.attempts < self.attempts:
            if entry.attempts:
                await asyncio.sleep(self.retry_delay)
            entry.attempts += 1
            entry.sent_ns = time.time_ns()
            self.sent += 1
            entry.http_status = await self._post(entry.body)
            if entry.http_status is None:
                continue
            entry.answered_ns = time.time_ns()
            if entry.http_status < 300:
                self.answered += 1
                entry.outcome = "answered"
                return
            if entry.http_status != 429 and entry.http_status < 500:
                self.rejected += 1
                entry.outcome = "rejected"
                return
        self.dropped += 1
        entry.outcome = "dropped"

    async def _post(self, body: bytes) -> int | None:
        """The HTTP status, None when there was no answer."""
        assert self._session is not None
        assert self.url is not None
        try:
            async with self._session.post(
                self.url, data=body, headers={"Content-Type": CONTENT_TYPE}, allow_redirects=False
            ) as answer:
                await answer.read()
                return answer.status
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None
