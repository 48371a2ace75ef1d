"""Posting to sinks over kept connections, and only to addresses that the guard lets through."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from simwarden.domain.sink import refusal
from simwarden.kit.clock import now_utc
from simwarden.notify.retry import SendOutcome, parse_retry_after

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from simwarden.notify.request import SinkRequest

    Lookup = Callable[[str, int], Awaitable[list[str]]]

KEPT_ANSWER = 4096
"""Bytes of an answer's body that are read and kept."""
_BODY_TIME = 2.0
"""Seconds that are spent on the body of an answer whose status is known."""
_LOOKUPS = 64
"""Names that are looked up at once; a name server that hangs must not hold up the others,"""
_LOOKUPS_EACH = 16
"""and of one account so many, for it may own as many names, with name servers that hang, as it likes."""
ACCOUNT: ContextVar[str] = ContextVar("account", default="")
"""Whose event is being sent."""


class AddressRefused(OSError):
    """The sink's name leads to an address that notifications do not go to."""


class _Dns:
    """The system's resolver, in threads of its own."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_LOOKUPS, thread_name_prefix="notify-dns")
        self._gates: dict[str, asyncio.Semaphore] = {}

    async def __call__(self, host: str, port: int) -> list[str]:
        loop = asyncio.get_running_loop()
        gate = self._gates.setdefault(ACCOUNT.get(), asyncio.Semaphore(_LOOKUPS_EACH))
        await gate.acquire()

        def over(_: Future[Any]) -> None:
            # When the thread is free again: it works on when nobody waits for the answer any more.
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(gate.release)

        lookup = self._threads.submit(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        lookup.add_done_callback(over)
        return [str(address[0]) for *_, address in await asyncio.wrap_future(lookup)]

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class GuardedResolver(AbstractResolver):
    """Resolves a name, and drops the addresses that are refused. What is returned is what is connected to."""

    def __init__(self, lookup: Lookup, *, allow_private: bool) -> None:
        self._lookup = lookup
        self._allow_private = allow_private

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The public addresses of a name. Raises AddressRefused when it has others only, OSError when it has none."""
        addresses = await self._lookup(host, port)
        allowed = [one for one in addresses if self._allow_private or refusal(one) is None]
        if addresses and not allowed:
            raise AddressRefused(f"{host} leads to {addresses[0]} ({refusal(addresses[0])})")
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in dict.fromkeys(allowed)
        ]

    async def close(self) -> None:
        """Nothing to close; the lookup belongs to the sender."""


class Sender:
    """One session for all sinks. Use inside a running loop; `close` it."""

    def __init__(
        self,
        *,
        allow_private: bool,
        connect_timeout: float = 5.0,
        total_timeout: float = 15.0,
        lookup: Lookup | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._allow_private = allow_private
        self._connect_timeout = connect_timeout
        self.total_timeout = total_timeout
        self._dns = _Dns()
        connector = aiohttp.TCPConnector(
            limit=0,  # how much an origin gets at once is decided in `origin`
            resolver=GuardedResolver(lookup or self._dns, allow_private=allow_private),
            ttl_dns_cache=10,
            keepalive_timeout=30,
            ssl=tls or True,
            socket_factory=self._socket,
        )
        self._session = aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False, trust_env=False
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()
        self._dns.close()

    async def send(self, request: SinkRequest, limit: float | None = None) -> SendOutcome:
        """Post once and say what came of it; never raises for what a sink or the way to it does.

        Takes at most the total time limit, or `limit` seconds where that is less. Redirects are not followed.
        """
        at, begun = request.at or now_utc(), time.monotonic()
        total = min(self.total_timeout, limit) if limit is not None else self.total_timeout
        status, error, retry_after, answer = None, None, None, None
        try:
            async with self._session.post(
                request.url,
                data=request.body,
                headers=request.headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=total, connect=min(self._connect_timeout, total)),
            ) as response:
                status = response.status
                retry_after = parse_retry_after(response.headers.get("retry-after"), now_utc())
                answer = await _read(response)
        except TimeoutError as failure:
            error = _sentence(failure, "no answer in time")
        except (aiohttp.ClientError, OSError, ValueError) as failure:
            error = _sentence(failure, type(failure).__name__)
        if status is not None and not 200 <= status < 300:
            error = error or f"HTTP {status}"
        return SendOutcome(
            at=at,
            duration=timedelta(seconds=time.monotonic() - begun),
            status=status,
            error=error if status is None or not 200 <= status < 300 else None,
            retry_after=retry_after,
            answer=answer,
        )

    def _socket(self, info: aiohttp.AddrInfoType) -> socket.socket:
        """The last guard, at every connect, for literal addresses too."""
        family, kind, protocol, _, address = info
        reason = None if self._allow_private else refusal(str(address[0]))
        if reason is not None:
            raise AddressRefused(f"{address[0]} is refused ({reason})")
        return socket.socket(family, kind, protocol)


async def _read(response: aiohttp.ClientResponse) -> str | None:
    """The beginning of the body; the connection is not kept when there is more."""
    kept = bytearray()
    try:
        async with asyncio.timeout(_BODY_TIME):
            while len(kept) <= KEPT_ANSWER:
                part = await response.content.read(KEPT_ANSWER + 1 - len(kept))
                if not part:
                    break
                kept += part
    except (TimeoutError, aiohttp.ClientError, OSError):
        response.close()
    if len(kept) > KEPT_ANSWER:
        response.close()
    text = kept[:KEPT_ANSWER].decode("utf-8", "replace").replace("\x00", "\N{REPLACEMENT CHARACTER}")
    return text or None


def _sentence(failure: BaseException, default: str) -> str:
    """One line for the attempt log. aiohttp hides what the system said behind its own words."""
    inner = getattr(failure, "os_error", None)
    said = str(getattr(inner, "strerror", None) or inner or failure)
    text = (said.strip() or default)[:500]
    return text.encode("utf-8", "replace").decode().replace("\x00", "")
