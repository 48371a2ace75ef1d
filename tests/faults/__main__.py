"""`python -m tests.faults --rounds 200 --seed 1`: plays rounds and tells what came of each.

A round that failed is played again, on a fresh house, by `--seed S --only N`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.faults.faults import INJECTIONS
from tests.faults.house import FAKETIME, House, Shape, can_mount
from tests.faults.load import NOT_NOW, Load
from tests.faults.rounds import PER_HOUSE, Result, chance_of, play

if TYPE_CHECKING:
    from collections.abc import Coroutine

SLOW = 5.0
"""Seconds to settle of which one wants to know what took them."""


class Tally:
    """What was done and found."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.injected: Counter[str] = Counter()
        self.failed: list[int] = []
        self.passed = 0
        self.longest = 0.0
        self.works = self.cut = 0

    def count(self, number: int, result: Result) -> None:
        """Add a round and print its line."""
        self.injected.update(fault.name for fault in result.faults)
        self.longest = max(self.longest, result.settled)
        self.works += result.works
        self.cut += result.cut
        waited = f" (the last to come right: {result.last})" if result.settled > SLOW and not result.complaints else ""
        names = ", ".join(f"{fault.name} {fault.at:.1f}+{fault.hold:.1f}s" for fault in result.faults)
        verdict = "FAILED" if result.complaints else "ok"
        times = f"{result.seconds:5.1f} s, settled in {result.settled:4.1f} s"
        print(f"round {number} (seed {self.seed}) {verdict} {times}: {names}{waited}")
        for complaint in result.complaints[:8]:
            print(f"    {complaint}")
        if result.complaints:
            self.failed.append(number)
            print(f"    again: python -m tests.faults --seed {self.seed} --only {number}")
        else:
            self.passed += 1
        sys.stdout.flush()

    def summary(self) -> str:
        """The end of the run."""
        lines = [f"{count:5}  {name}" for name, count in sorted(self.injected.items())]
        missing = sorted(INJECTIONS.keys() - self.injected.keys())
        lines += [f"    0  {name}" for name in missing]
        lines.append(
            f"{self.passed} rounds passed, {len(self.failed)} failed{f': {self.failed}' if self.failed else ''}; "
            f"{self.injected.total()} faults injected; {self.works} operations on many SIMs, {self.cut} of them with "
            f"the server, a worker or PostgreSQL killed in the middle; settled after at most {self.longest:.1f} s"
        )
        return "\n".join(lines)


async def run(tally: Tally, numbers: list[int], logs: Path | None) -> Tally:
    """Play these rounds, in houses of `PER_HOUSE` rounds each."""
    seed = tally.seed
    while numbers:
        block, failed = numbers[0] // PER_HOUSE, len(tally.failed)
        shape = Shape.draw(chance_of(seed, block, "house"))
        print(
            f"house {block}: {shape.workers} worker(s), gateways of API {shape.generation}, "
            f"{'quota' if shape.quota else 'no quota'}, {'faked' if shape.faked_clock else 'real'} clock",
            flush=True,
        )
        with tempfile.TemporaryDirectory(prefix="simwarden-faults-", ignore_cleanup_errors=True) as name:
            directory = Path(name)
            try:
                async with House(directory, shape) as house:
                    load = Load(house)
                    await load.begin()
                    while numbers and numbers[0] // PER_HOUSE == block:
                        number = numbers.pop(0)
                        result = await play(house, load, seed, number)
                        tally.count(number, result)
                        if result.complaints:
                            break
            except (*NOT_NOW, AssertionError) as error:
                tally.count(numbers.pop(0), Result([], [f"the house could not be set up: {error}"], 0.0, 0.0))
                if len(tally.failed) > 1 and tally.failed[-2] == tally.failed[-1] - 1 and not tally.passed:
                    return tally  # nothing works here at all
            finally:
                if logs is not None and len(tally.failed) > failed:
                    keep_logs(directory, logs / f"{seed}-{tally.failed[-1]}")
    return tally


def keep_logs(directory: Path, target: Path) -> None:
    """Copy what the processes wrote."""
    target.mkdir(parents=True, exist_ok=True)
    for path in directory.iterdir():
        if path.is_file():
            shutil.copy(path, target / path.name)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="number of the first round [0]")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="play only this round, on a fresh house")
    parser.add_argument("--logs", type=Path, help="folder for the logs of rounds that fail")
    given = parser.parse_args()
    if not can_mount():
        print("not as root, or without mount: the disk is not filled (disk full: skipped)")
    if not FAKETIME.exists():
        print("libfaketime is not there (Debian: apt install faketime): the clock does not jump (clock jump: skipped)")
    numbers = [given.only] if given.only is not None else list(range(given.first, given.first + given.rounds))
    begun = time.monotonic()
    tally = Tally(given.seed)
    stopped = asyncio.run(until_told(run(tally, numbers, given.logs)))
    print(f"{'stopped' if stopped else 'done'}\n{tally.summary()}")
    print(f"{(time.monotonic() - begun) / 60:.1f} minutes")
    return 130 if stopped else 1 if tally.failed else 0


async def until_told(work: Coroutine[Any, Any, Tally]) -> bool:
    """Do it; returns whether it was ended by SIGINT or SIGTERM.

    A shell that runs it in the background lets it ignore SIGINT, and Python leaves that so: both are listened to here.
    More of them do not disturb the cleaning up.
    """
    task, loop = asyncio.create_task(work), asyncio.get_running_loop()
    told = False

    def end() -> None:
        nonlocal told
        if not told:
            told = True
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)
    try:
        await task
    except asyncio.CancelledError:
        if not told:
            raise
    return told


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        sys.exit(main())
