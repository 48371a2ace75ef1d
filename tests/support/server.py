"""A server in processes of its own, on a free port, stopped by whoever started it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from typing import TYPE_CHECKING

import aiohttp
from tests.support.patience import PATIENCE

from simwarden.demo.processes import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path


class Program:
    """`simwarden <arguments>` at work."""

    def __init__(self, process: asyncio.subprocess.Process, errors: Path) -> None:
        self.process = process
        self._errors = errors

    async def line(self, limit: float = PATIENCE) -> str:
        """The next line that it prints."""
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), limit)
        assert line, f"it ended: {self.errors}"
        return line.decode().rstrip("\n")

    @property
    def errors(self) -> str:
        """What it wrote to standard error."""
        return self._errors.read_text(errors="replace")

    async def stop(self, how: int = signal.SIGTERM) -> int:
        """End it as `how` says; returns its exit status. Killed when it does not listen."""
        if self.process.returncode is None:
            self.process.send_signal(how)
            try:
                await asyncio.wait_for(self.process.wait(), PATIENCE)
            except TimeoutError:
                self.process.kill()
                await self.process.wait()
                raise
        assert self.process.returncode is not None
        return self.process.returncode


@contextlib.asynccontextmanager
async def program(directory: Path, environment: Mapping[str, str], *arguments: str) -> AsyncIterator[Program]:
    """Run `simwarden <arguments>`, with nothing of our own settings but these."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("SIMWARDEN_")}
    errors = directory / f"{arguments[0]}-{free_port()}.log"
    with errors.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "simwarden", *arguments),
            env={**own, **environment, "PYTHONUNBUFFERED": "1"},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
    running = Program(process, errors)
    try:
        yield running
    finally:
        await running.stop()


@contextlib.asynccontextmanager
async def serving(directory: Path, database_url: str, **settings: str) -> AsyncIterator[str]:
    """A server that answers; its address."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {
        "SIMWARDEN_DATA_DIR": str(directory / "data"),
        "SIMWARDEN_DATABASE_URL": database_url,
        "SIMWARDEN_HOST": "127.0.0.1",
        "SIMWARDEN_PORT": str(port),
        "SIMWARDEN_LOG_FORMAT": "json",
        **{f"SIMWARDEN_{name.upper()}": value for name, value in settings.items()},
    }
    async with program(directory, environment, "serve") as server, aiohttp.ClientSession() as session:
        async with asyncio.timeout(PATIENCE):
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get(f"{url}/readyz") as answer:
                        if answer.status == 200:
                            break
                assert server.process.returncode is None, server.errors
                await asyncio.sleep(0.05)
        yield url
