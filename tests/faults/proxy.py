"""A TCP proxy that can drop, delay and hold what passes through it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Literal

Mode = Literal["pass", "drop", "delay", "hold", "mute"]


class Proxy:
    """Listens on a free loopback port and hands everything to `target` (a port, changeable), in the `mode` that is on.

    drop: connections are cut and new ones closed at once. delay: every piece waits `delay` seconds. hold: nothing
    passes, and nothing is closed, until the mode changes. mute: what is asked passes; instead of the answer the
    connection is cut.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.delay = 0.1
        self._mode: Mode = "pass"
        self._changed = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._links: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)

    async def stop(self) -> None:
        """Cut everything and stop listening."""
        assert self._server is not None
        self._server.close()
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def set(self, mode: Mode, delay: float = 0.1) -> None:
        """Behave so from now on."""
        self._mode = mode
        self.delay = delay
        if mode == "drop":
            self.cut()
        self._changed.set()
        self._changed = asyncio.Event()

    def cut(self) -> None:
        """Break the connections there are (with a reset)."""
        for writer in list(self._links):
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._links.add(writer)
        try:
            if self._mode == "drop":
                return
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
            self._links.add(far_writer)
            try:
                await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer, answers=True))
            finally:
                self._links.discard(far_writer)
                far_writer.transport.abort()
        except OSError:
            pass
        except asyncio.CancelledError:
            pass  # stopped; asyncio's own callback would complain of a cancelled handler
        finally:
            self._links.discard(writer)
            self._tasks.discard(task)
            writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool = False) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                if self._mode == "delay":
                    await asyncio.sleep(self.delay)
                while self._mode == "hold":
                    await self._changed.wait()
                if answers and self._mode == "mute":
                    break
                writer.write(data)
                await writer.drain()
        writer.transport.abort()  # either end gone: the link is gone
