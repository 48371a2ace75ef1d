"""A gate before the database: closed, the database is gone for those who come through it."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_SOCKET = ".s.PGSQL.5432"


class Gate:
    """Carries bytes between a socket of its own and the database; `close` cuts everything, `open` lets pass again."""

    def __init__(self, database_url: str) -> None:
        parts = urlsplit(database_url)
        self._directory = Path(tempfile.mkdtemp(prefix="gate-"))
        self._connect = _connector(database_url)
        user = parts.netloc.rpartition("@")[0]
        self.url = f"postgresql://{user}@{parts.path}?host={self._directory}"
        self.refused = 0
        self._is_open = True
        self._carrying: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_unix_server(self._pass, str(self._directory / _SOCKET))
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self.close()
        shutil.rmtree(self._directory)

    async def close(self) -> None:
        """Cut all connections and refuse new ones."""
        self._is_open = False
        for task in list(self._carrying):
            task.cancel()
        await asyncio.gather(*self._carrying, return_exceptions=True)

    async def open(self) -> None:
        """Let connections pass."""
        self._is_open = True

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._is_open:
            self.refused += 1
            writer.transport.abort()
            return
        inner_reader, inner_writer = await self._connect()
        task = asyncio.current_task()
        assert task is not None
        self._carrying.add(task)
        try:
            await asyncio.gather(_carry(reader, inner_writer), _carry(inner_reader, writer))
        except (asyncio.CancelledError, OSError):
            pass
        finally:
            self._carrying.discard(task)
            writer.transport.abort()
            inner_writer.transport.abort()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()


def _connector(url: str) -> Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]:
    parts = urlsplit(url)
    directory = parse_qs(parts.query).get("host")
    if directory:
        return lambda: asyncio.open_unix_connection(f"{directory[0]}/{_SOCKET}")
    return lambda: asyncio.open_connection(parts.hostname, parts.port or 5432)
