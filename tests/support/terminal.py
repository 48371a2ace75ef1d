"""Terminals as a person uses them: bash sessions that lines are pasted into, and programs left running in one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

PATIENCE = 90
_END = "__END_OF_LINE__"


class Terminal:
    """A bash that stays open; what it and its children print is kept in a file."""

    def __init__(self, process: asyncio.subprocess.Process, output: Path) -> None:
        self._process = process
        self._output = output
        self._pasted = 0

    @property
    def text(self) -> str:
        """Everything that was printed so far."""
        return self._output.read_text(errors="replace")

    async def paste(self, text: str) -> str:
        """Paste lines one after the other, each when the one before has ended well; returns what they printed."""
        start = len(self.text)
        for line in text.strip().splitlines():
            self._pasted += 1
            mark = f"{_END}{self._pasted}="
            self.type(f"{line}\necho {mark}$?\n")
            await self.shows(mark)
            status = self.text.rpartition(mark)[2].strip()
            assert status == "0", f"{line}\nended with {status}:\n{self.text[start:]}"
        return self.text[start:]

    def type(self, text: str) -> None:
        """Paste lines and do not wait for their end."""
        assert self._process.stdin is not None
        self._process.stdin.write(text.encode())

    async def shows(self, text: str, times: int = 1) -> None:
        """Wait until this is on the screen so many times."""
        try:
            async with asyncio.timeout(PATIENCE):
                while self.text.count(text) < times:
                    assert self._process.returncode is None, self.text
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(f"{text!r} was not shown:\n{self.text}") from None

    async def interrupt(self) -> None:
        """Ctrl-C for the program in the foreground, then wait until the terminal can be used again."""
        for child in await _children(self._process.pid):
            os.kill(child, signal.SIGINT)
        await self.paste("true")

    async def close(self) -> None:
        """End the program in the foreground, then the shell."""
        assert self._process.stdin is not None
        for child in await _children(self._process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGINT)
        with contextlib.suppress(ConnectionError):
            self._process.stdin.write_eof()
        try:
            await asyncio.wait_for(self._process.wait(), 60)
        except TimeoutError:
            os.killpg(self._process.pid, signal.SIGKILL)
            raise


@contextlib.asynccontextmanager
async def terminal(folder: Path, name: str, environment: Mapping[str, str]) -> AsyncIterator[Terminal]:
    """Open a terminal in a folder, with nothing of our own settings in its environment but these."""
    own = {key: value for key, value in os.environ.items() if not key.startswith("SIMWARDEN_")}
    output = folder / f"{name}.out"
    with output.open("wb") as screen:
        process = await asyncio.create_subprocess_exec(
            "bash",
            cwd=folder,
            env={**own, **environment},
            stdin=asyncio.subprocess.PIPE,
            stdout=screen,
            stderr=screen,
            start_new_session=True,
        )
    opened = Terminal(process, output)
    try:
        yield opened
    finally:
        await opened.close()


async def _children(pid: int) -> list[int]:
    process = await asyncio.create_subprocess_exec("ps", "-o", "pid=", "--ppid", str(pid), stdout=-1)
    out, _ = await process.communicate()
    return [int(word) for word in out.split()]
