"""The processes of a server that a test started: its workers, and PostgreSQL's."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path


def children(process: int) -> list[int]:
    """Direct children of a process."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{process}/task").iterdir():
            with contextlib.suppress(OSError):
                found += [int(text) for text in (task / "children").read_text().split()]
    return found


def command_line(process: int) -> str:
    """How a process was called, or calls itself; empty for one that is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""


def workers(server: int) -> list[int]:
    """Process ids of a server's workers, the oldest first."""
    lines = {child: command_line(child) for child in children(server)}
    return sorted(child for child, line in lines.items() if "spawn_main" in line or " serve" in line)  # spawned, forked


def is_postgres(process: int) -> bool:
    """Whether a process is a PostgreSQL (process ids are used again)."""
    return "postgres" in command_line(process)


def kill(process: int) -> None:
    """End a process, which may have ended by itself, as a crash does."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
