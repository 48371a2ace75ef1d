"""Starting the demo's processes, and making sure that none of them is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import sys
from pathlib import Path
from typing import Any

_OUTGOING = Path("/proc/sys/net/ipv4/ip_local_port_range")
"""Lowest and highest port of outgoing connections (Linux)."""


class StepFailed(Exception):
    """A step of the story did not happen."""


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on, from those that the system gives to no outgoing connection.

    One that the system picks (port 0) may be an outgoing connection's own port by the time a server listens on it.
    """
    try:
        lowest = int(_OUTGOING.read_text().split()[0])
    except (OSError, ValueError):
        lowest = 32768
    for _ in range(100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", random.randrange(10_000, max(lowest, 10_001))))  # noqa: S311 - no secret
            return int(probe.getsockname()[1])
    raise OSError("No port of 127.0.0.1 between 10000 and 32767 is free")


class Processes:
    """Programs of this installation, run as separate processes with one data directory."""

    def __init__(self, directory: Path, environment: dict[str, str]) -> None:
        self.directory = directory
        self._environment = {**os.environ, **environment}
        self._running: list[tuple[str, asyncio.subprocess.Process]] = []
        self._drains: list[asyncio.Task[None]] = []

    async def start(self, name: str, *arguments: str) -> asyncio.subprocess.Process:
        """Run `simwarden <arguments>` in the background; its errors go to `<name>.log`."""
        with (self.directory / f"{name}.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "simwarden", *arguments),
                env=self._environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # Ctrl-C reaches us first; we stop them in order
                limit=1 << 20,
            )
        self._running.append((name, process))
        return process

    async def ready_line(self, process: asyncio.subprocess.Process, name: str) -> dict[str, Any]:
        """The first line that a simulator prints: where it listens."""
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), 20)
        if not line:
            raise StepFailed(f"The {name} process ended at once:\n{self.log_tail(name)}")
        found: dict[str, Any] = json.loads(line)
        self._drains.append(asyncio.create_task(_drain(process.stdout)))  # else a full pipe would stop it
        return found

    async def command(self, *arguments: str) -> Any:
        """Run `simwarden <arguments> --json` and return what it printed."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "simwarden", *arguments, "--json"),
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        if process.returncode != 0:
            raise StepFailed(f"simwarden {' '.join(arguments)} failed: {err.decode().strip() or out.decode().strip()}")
        return json.loads(out)

    def log_tail(self, name: str, lines: int = 15) -> str:
        """The end of a process's log."""
        path = self.directory / f"{name}.log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else ""

    async def stop(self) -> None:
        """End all of them, the last one started first; whoever does not listen is killed."""
        for _, process in reversed(self._running):
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(signal.SIGTERM)
                try:
                    await asyncio.wait_for(process.wait(), 20)
                except TimeoutError:
                    process.kill()
                    await process.wait()
        self._running.clear()
        for drain in self._drains:
            drain.cancel()
        self._drains.clear()


async def _drain(stream: asyncio.StreamReader) -> None:
    while await stream.readline():
        pass
