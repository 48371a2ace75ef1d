"""Key sets of others, fetched from where they publish them: guarded, bounded, remembered, rarely asked for."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec
import structlog

from simwarden.accounts.jwks import MOST_KEYS, InvalidKey, PublicKey, usable
from simwarden.domain.sink import InvalidSink, parse_sink, refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

MAX_BYTES = 64 * 1024
SECONDS = 5.0
"""That an answer may take."""
FRESH = 600.0
"""Seconds for which a key set is not asked for again;"""
AGAIN = 30.0
"""when a key is wanted that it does not hold, or it could not be had, so many."""
STALE = 86_400.0
"""Seconds for which a key set is used whose place cannot be reached."""
_KEPT = 1000
"""Places."""
_HEADERS = {"accept": "application/json", "accept-encoding": "identity"}
_log = structlog.get_logger()


class KeysUnavailable(Exception):
    """The key set cannot be had."""


class _Held(msgspec.Struct):
    keys: tuple[PublicKey, ...] = ()
    fetched_at: float = float("-inf")
    """When it was had last,"""
    tried_at: float = float("-inf")
    """and asked for."""


class KeySets:
    """Key sets by their URL. Nobody who only sends signatures can cause more than a request in `AGAIN` seconds."""

    def __init__(
        self,
        *,
        allow_private: bool,
        tls: ssl.SSLContext | None = None,
        most: int = MOST_KEYS,
        clock: Callable[[], float] = time.monotonic,
        fetch: Callable[[str], Awaitable[Any]] | None = None,
    ) -> None:
        """`allow_private`: http and addresses of this network are allowed too. `most`: keys of one set."""
        self._allow_private = allow_private
        self._tls = tls
        self._most = most
        self._clock = clock
        self._fetch = fetch or self._get
        self._held: dict[str, _Held] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def keys(self, url: str, kid: str | None) -> tuple[PublicKey, ...]:
        """The keys there; asked for again when none has this id. Raises KeysUnavailable."""
        held = self._held.get(url)
        if held is None or self._is_due(held, kid):
            async with self._locks.setdefault(url, asyncio.Lock()):
                held = self._held.setdefault(url, _Held())
                if self._is_due(held, kid):
                    await self._refresh(url, held)
                while len(self._held) > _KEPT:
                    oldest = next(iter(self._held))
                    del self._held[oldest]
                    self._locks.pop(oldest, None)
        if not held.keys or self._clock() - held.fetched_at > STALE:
            raise KeysUnavailable(url)
        return held.keys

    def _is_due(self, held: _Held, kid: str | None) -> bool:
        now = self._clock()
        if now - held.tried_at < AGAIN:
            return False
        known = kid is None or any(key.kid == kid for key in held.keys)
        return not known or now - held.fetched_at >= FRESH

    async def _refresh(self, url: str, held: _Held) -> None:
        held.tried_at = self._clock()
        try:
            async with asyncio.timeout(SECONDS):
                held.keys = usable(await self._fetch(url), self._most)
        except (OSError, TimeoutError, aiohttp.ClientError, ValueError, InvalidKey, RecursionError) as error:
            _log.warning("a key set cannot be had", url=url, reason=str(error) or type(error).__name__)
            return
        held.fetched_at = held.tried_at

    async def _get(self, url: str) -> Any:
        """The JSON there. No redirect is followed, and no proxy of the environment is asked."""
        try:
            parse_sink(url, allow_private=self._allow_private)
        except InvalidSink as error:
            raise ValueError(error.message) from error
        connector = aiohttp.TCPConnector(socket_factory=self._socket, ssl=self._tls or True)
        async with (
            aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False, trust_env=False
            ) as session,
            session.get(url, allow_redirects=False, headers=_HEADERS) as response,
        ):
            if response.status != 200 or response.headers.get("content-encoding", "identity") != "identity":
                raise ValueError(f"HTTP {response.status}, or a compressed answer")
            body = b""
            async for piece in response.content.iter_chunked(MAX_BYTES):
                body += piece
                if len(body) > MAX_BYTES:
                    raise ValueError(f"More than {MAX_BYTES} bytes")
        return msgspec.json.decode(body)

    def _socket(self, info: aiohttp.AddrInfoType) -> socket.socket:
        """The guard, at every connect: a name that was harmless yesterday may lead to this network today."""
        family, kind, protocol, _, address = info
        reason = None if self._allow_private else refusal(str(address[0]))
        if reason is not None:
            raise OSError(f"{address[0]} is refused ({reason})")
        return socket.socket(family, kind, protocol)
