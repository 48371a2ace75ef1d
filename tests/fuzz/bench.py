"""What every fuzz driver shares: the product in this process on a real database, and what must hold for any input."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import resource
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote

import aiohttp
import msgspec
import structlog
from starlette.applications import Starlette

from simwarden import northbound
from simwarden.claim import Claim
from simwarden.container import Container
from simwarden.edge.throttle import HeldBack
from simwarden.settings import load
from simwarden.store.database import Database

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message

PATIENCE = 2.0
"""Seconds after which a client that has no answer hangs up."""
GROWTH = 200 << 20
"""Bytes by which the process may grow after its first batches."""
_HASH = """
select md5(coalesce(string_agg(row::text, '|' order by row::text), ''))
from (select md5(t::text) from {table} t) as row
"""
TABLES = ("sim", "sim_identifier", "gateway_port", "attachment", "subscription")
Case = TypeVar("Case")


class Finding(Exception):
    """An input that broke a promise."""


class Request:
    """One HTTP request of a fuzz run."""

    __slots__ = ("body", "headers", "method", "path")

    def __init__(self, method: str, path: str, body: bytes, headers: Sequence[tuple[str, str]] = ()) -> None:
        self.method, self.path, self.body, self.headers = method, path, body, list(headers)

    def __repr__(self) -> str:
        return f"{self.method} {self.path!r} {self.headers!r} {self.body[:4000]!r}"


class Reply:
    """What was answered."""

    __slots__ = ("body", "status")

    def __init__(self, status: int, body: bytes) -> None:
        self.status, self.body = status, body


async def call(app: ASGIApp, request: Request) -> Reply:
    """One request to an ASGI application in this process; the client stays until it is answered or loses patience."""
    path, _, query = request.path.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode("latin-1", "replace"),
        "query_string": query.encode("latin-1", "replace"),
        "root_path": "",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in request.headers],
        "client": ("192.0.2.1", 40000),
        "server": ("localhost", 80),
    }
    reply, given, answered = Reply(0, b""), False, asyncio.Event()

    async def receive() -> Message:
        nonlocal given
        if not given:
            given = True
            return {"type": "http.request", "body": request.body, "more_body": False}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await answered.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            reply.status = message["status"]
            return
        reply.body += message.get("body", b"")
        if not message.get("more_body", False):
            answered.set()

    await app(scope, receive, send)
    return reply


class Bench:
    """The server's routes over a database, without what works in the background."""

    def __init__(self, house: Container) -> None:
        self.house = house
        self.db = house.db
        self.app = northbound.ApisFirst(Starlette(routes=house.routes()), house.apis())
        self.logged: list[dict[str, Any]] = []
        self.statuses: Counter[int] = Counter()
        self._small = 0

    async def fingerprint(self) -> str:
        """Of everything that a rejected input must not change."""
        parts = [await self.db.fetchval(_HASH.format(table=table)) for table in TABLES]
        parts += [str(tuple(await self.db.fetchrow("select count(*), coalesce(sum(n), 0) from event") or ()))]
        for table in ("delivery", "sms", "call_record"):
            parts.append(str(await self.db.fetchval(f"select count(*) from {table}")))
        return hashlib.sha256("".join(parts).encode()).hexdigest()

    async def ask(self, request: Request) -> Reply:
        """One request; raises Finding when the application fails."""
        try:
            reply = await call(self.app, request)
        except Exception as error:
            raise Finding(f"{type(error).__name__}: {error} for {request!r}") from error
        self.statuses[reply.status] += 1
        if reply.status >= 500:
            raise Finding(f"answered {reply.status} {reply.body[:300]!r} to {request!r}")
        return reply

    async def batch(self, requests: Sequence[Request]) -> None:
        """Ask all of them at once; those that are refused must change nothing. Raises Finding."""
        replies = await asyncio.gather(*(self.ask(request) for request in requests))
        refused = [request for request, reply in zip(requests, replies, strict=True) if reply.status >= 400]
        for _ in range(4):
            if not refused:
                break
            before = await self.fingerprint()
            replies = await asyncio.gather(*(self.ask(request) for request in refused))
            still = [request for request, reply in zip(refused, replies, strict=True) if reply.status >= 400]
            if len(still) == len(refused):
                if await self.fingerprint() != before:
                    raise Finding(await self._culprit(refused))
                break
            refused = still  # some were only refused because of what was so before
        self._check_log()

    async def _culprit(self, requests: Sequence[Request]) -> str:
        for request in requests:
            before = await self.fingerprint()
            reply = await self.ask(request)
            if await self.fingerprint() != before:
                return f"refused with {reply.status}, and yet something changed: {request!r}"
        return "something changed although everything was refused, and no single request does it again"

    def _check_log(self) -> None:
        for entry in self.logged:
            if entry.get("log_level") in ("error", "critical") or entry.get("exc_info"):
                raise Finding(f"the log tells of an error: {entry}")
        self.logged.clear()

    def check_memory(self) -> None:
        """The process has not grown without bound. Raises Finding."""
        size = resident()
        if not self._small:
            self._small = size
        if size - self._small > GROWTH:
            raise Finding(f"the process grew from {self._small >> 20} to {size >> 20} MiB")


def resident() -> int:
    """Bytes of memory that this process has."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@contextlib.asynccontextmanager
async def bench(url: str, directory: Path) -> AsyncIterator[Bench]:
    """A bench on the migrated, empty database at `url`."""
    given = {
        "data_dir": str(directory),
        "database_url": url,
        "allow_private_sinks": True,
        "secret_key": "11" * 32,
        "seen_refresh": 0.001,
        "reports_per_gateway": 1_000_000,
    }
    settings, _ = load(given, {})
    db = await Database.connect(url)
    async with aiohttp.ClientSession() as session:
        house = Container(settings, db, db, session, Claim("fuzz", ()))
        patient = HeldBack(rate=1e6, burst=1000, patience=0.0)  # the fuzzer is refused often, and has no time
        house.customers.edge = msgspec.structs.replace(house.customers.edge, refusals=patient)
        house.customers.answers.start()
        made = Bench(house)
        try:
            with structlog.testing.capture_logs() as logged:
                made.logged = logged  # type: ignore[assignment]
                yield made
        finally:
            await house.ingest.drain()
            await house.customers.commands.drain()
            await house.customers.answers.stop()
            await db.close()


async def drive(
    name: str,
    count: int,
    size: int,
    make: Callable[[int], Case],
    batch: Callable[[Sequence[Case]], Awaitable[None]],
    check: Callable[[], None],
    *,
    quiet: bool = False,
) -> None:
    """Make `count` cases and hand them over in batches, telling how far it came. Raises Finding."""
    begun = time.monotonic()
    for first in range(0, count, size):
        cases = [make(number) for number in range(first, min(first + size, count))]
        try:
            await batch(cases)
        except Finding as finding:
            raise Finding(f"{name} {first} to {first + len(cases) - 1}: {finding}") from finding
        if first >= size * 10:
            check()
        if not quiet and (first // size) % 20 == 0:
            rate = (first + len(cases)) / max(time.monotonic() - begun, 0.001)
            print(
                f"{name}: {first + len(cases):,} of {count:,}, {rate:,.0f}/s, {resident() >> 20} MiB", file=sys.stderr
            )
