"""What an attacker costs an honest tenant: the attackers of `tests/attacks`, each in turns with and without.

The honest tenant's gateway reports, its application calls, its sink takes events; each attacker has a fresh server.
Every answer and every event is checked as in the tests, so a figure stands for a tenant that lost nothing.

The attacker runs in a process of its own (`python -m benchmarks.attacks NAME`, started by `measure`), so that its
work does not delay the honest tenant's client, which takes the times. A real attacker has a machine of its own. On this
one its process gets only the processor time that nobody else wants (SCHED_IDLE), so what is measured is what the server
spends on it; how many of its calls were answered is printed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import PIPE
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from tests.attacks.attackers import Attacker, everyone
from tests.attacks.honest import Honest, Latencies, Wrong
from tests.attacks.target import Target, Tenant, attacked

from benchmarks import machine
from simwarden.demo.processes import Processes, StepFailed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SETTLE = 2.0
"""Seconds of a phase that are not measured."""
KINDS = ("reports", "calls", "events")
NOBODY = "nobody"
"""The case without an attacker: how far two phases of the same run differ by themselves."""


class Known(msgspec.Struct):
    """What the attacker's process must know of the target."""

    directory: str
    port: int
    honest: Tenant
    attacker: Tenant
    operator: Tenant
    attacker_reports: str


def names() -> list[str]:
    """The attackers there are, after the case without one."""
    return [NOBODY, *(attacker.name for attacker in everyone())]


async def measure(name: str, seconds: float, rounds: int) -> bool:
    """Print the honest tenant's p95 with this attacker and without, and their ratios; whether it was served well."""
    attacker = None if name == NOBODY else _named(name)
    alone, beside = Latencies(), Latencies()
    ratios: dict[str, list[float]] = {kind: [] for kind in KINDS}
    answers: Counter[str] = Counter()
    print(f"{name}: {attacker.says if attacker else 'No attacker; what chance does.'}")
    try:
        async with attacked(attacker.settings if attacker else None) as target, Honest.at(target) as honest:
            for _ in range(rounds):
                before = await _phase(honest, seconds)
                async with _at_work(name, target, answers) if attacker else contextlib.nullcontext():
                    after = await _phase(honest, seconds)
                for kind in KINDS:
                    ratios[kind].append(p95(getattr(after, kind)) / p95(getattr(before, kind)))
                    getattr(alone, kind).extend(getattr(before, kind))
                    getattr(beside, kind).extend(getattr(after, kind))
            memory = target.memory()
    except (Wrong, StepFailed) as error:
        print(f"  failed: {error}", flush=True)
        return False
    for kind in KINDS:
        before_ms, after_ms = p95(getattr(alone, kind)), p95(getattr(beside, kind))
        turns = ", ".join(f"{one:.2f}" for one in ratios[kind])
        print(
            f"  {kind:8} p95 alone {before_ms:7.1f} ms, beside it {after_ms:7.1f} ms, "
            f"ratio {machine.median(ratios[kind]):.2f} (turns {turns})"
        )
    met = ", ".join(f"{count:,} x {answer}" for answer, count in sorted(answers.items()))
    print(f"  the attacker was answered: {met or 'nothing'}")
    print(f"  the server's Python: {memory:.0f} MiB; load of the machine {os.getloadavg()[0]:.1f}", flush=True)
    return True


async def _phase(honest: Honest, seconds: float) -> Latencies:
    await honest.work_for(SETTLE)
    await honest.settle()
    honest.latencies = measured = Latencies()
    await honest.work_for(seconds)
    await honest.settle()
    return measured


def p95(values: list[float]) -> float:
    """The 95th percentile."""
    return sorted(values)[int(0.95 * len(values))]


@contextlib.asynccontextmanager
async def _at_work(name: str, target: Target, answers: Counter[str]) -> AsyncIterator[None]:
    """The attack in its process, until this is left; adds what it was answered. Raises StepFailed when it fails."""
    known = Known(
        str(target.directory), target.port, target.honest, target.attacker, target.operator, target.attacker_reports
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.attacks", name, stdin=PIPE, stdout=PIPE, limit=2**24
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(msgspec.json.encode(known) + b"\n")
        if not await process.stdout.readline():
            raise StepFailed(f"The attacker {name} ended before it began")
        yield
        process.stdin.close()
        found = await process.stdout.readline()
        if await process.wait() != 0:
            raise StepFailed(f"The attacker {name} failed")
        answers.update(msgspec.json.decode(found, type=dict[str, int]))
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _attack(name: str) -> None:
    """The attacker's process: read the target from standard input, attack until that ends, print the answers."""
    if hasattr(os, "SCHED_IDLE"):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    known = msgspec.json.decode(await asyncio.to_thread(sys.stdin.buffer.readline), type=Known)
    directory = Path(known.directory)
    target = Target(directory, known.port, Processes(directory, {}))
    target.honest, target.attacker, target.operator = known.honest, known.attacker, known.operator
    target.attacker_reports = known.attacker_reports
    async with _named(name).at_work(target) as answers:
        print("at work", flush=True)
        await asyncio.to_thread(sys.stdin.buffer.read)
    seen = {f"{status} {code}".rstrip(): count for (status, code), count in answers.seen.items()}
    print(msgspec.json.encode(seen).decode(), flush=True)


def _named(name: str) -> Attacker:
    [attacker] = [each for each in everyone() if each.name == name]
    return attacker


if __name__ == "__main__":
    asyncio.run(_attack(sys.argv[1]))
