"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from pathlib import Path


def shape() -> str:
    """Processor, cores, memory and Python, in one line."""
    model = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.processor() or "unknown processor",
    )
    total = next((int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    memory = f"{total / 1024 / 1024:.0f} GiB"
    return f"{os.cpu_count()} cores ({model}), {memory}, Python {platform.python_version()}, load generator included"


def memory_of(process: int) -> dict[str, float]:
    """Proportional memory (PSS) in MiB of a process and its children, by kind."""
    found = {"python": 0.0, "postgres": 0.0}
    for child in [process, *_children(process)]:
        rollup = _lines(f"/proc/{child}/smaps_rollup")
        pss = next((int(line.split()[1]) / 1024 for line in rollup if line.startswith("Pss:")), 0.0)
        name = next(iter(_lines(f"/proc/{child}/comm")), "").strip()
        found["postgres" if name == "postgres" else "python"] += pss
    return found


def cpu_of(*processes: int) -> float:
    """Seconds of processor time that processes and those under them have used so far, ended children included."""
    tick = os.sysconf("SC_CLK_TCK")
    total = 0.0
    for process in {one for top in processes for one in (top, *_children(top))}:
        for line in _lines(f"/proc/{process}/stat"):
            total += sum(map(int, line.rpartition(")")[2].split()[11:15])) / tick
    return total


def percentiles(values: Sequence[float]) -> str:
    """p50, p95, p99 and the largest, in milliseconds."""
    ordered = sorted(values)

    def at(share: float) -> float:
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    return f"p50 {at(0.5):.1f} ms, p95 {at(0.95):.1f} ms, p99 {at(0.99):.1f} ms, max {ordered[-1]:.1f} ms"


def median(values: Sequence[float]) -> float:
    """The middle of several rounds."""
    return statistics.median(values)


def _children(process: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        for text in task.read_text().split():
            found += [int(text), *_children(int(text))]
    return found


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
