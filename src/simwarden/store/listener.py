"""Notifications of PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import asyncpg

from simwarden.store.database import CONNECT_SECONDS, UNAVAILABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_ALIVE_EVERY = 30.0
"""Seconds after which a connection on which nothing was heard is tried: the loss of its other end may go unnoticed."""


async def _until_lost(connection: asyncpg.Connection, lost: asyncio.Event) -> None:
    while not lost.is_set():
        try:
            async with asyncio.timeout(_ALIVE_EVERY):
                await lost.wait()
        except TimeoutError:
            await connection.execute("select 1", timeout=CONNECT_SECONDS)


class Listener:
    """Hears NOTIFY on some channels over a connection of its own, reconnecting for as long as it lives.

    A worker has one. `handlers`: by channel, called with the payload, and with "" whenever listening begins. Where
    several mappings name a channel, all of them are called.
    """

    def __init__(self, url: str, *handlers: Mapping[str, Callable[[str], None]]) -> None:
        self._url = url
        self._handlers = [pair for each in handlers for pair in each.items()]
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to listen."""
        self._task = asyncio.create_task(self._run(), name="listener")

    async def stop(self) -> None:
        """Stop listening and close the connection."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            pause = 0.5
            try:
                connection = await asyncpg.connect(self._url, timeout=CONNECT_SECONDS)
                lost = asyncio.Event()
                connection.add_termination_listener(lambda _c, lost=lost: lost.set())
                try:
                    for channel, handler in self._handlers:
                        await connection.add_listener(
                            channel, lambda _c, _pid, _channel, payload, handler=handler: handler(payload)
                        )
                        handler("")  # whatever was notified while nobody listened
                    await _until_lost(connection, lost)
                finally:
                    connection.terminate()
            except asyncpg.ReadOnlySQLTransactionError:
                pause = 2.0  # a replica: there is nothing to be heard on it
            except (*UNAVAILABLE, asyncpg.PostgresError):
                pass  # refused, too, is gone for now
            await asyncio.sleep(pause)
