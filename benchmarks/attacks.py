"""What an attacker costs an honest tenant: the attackers of `tests/attacks`, each in turns with and without.

The honest tenant's gateway reports, its application calls, its sink takes events; each attacker has a fresh server.
Every answer and every event is checked as in the tests, so a figure stands for a tenant that lost nothing.
"""

from __future__ import annotations

from tests.attacks.attackers import Answers, everyone
from tests.attacks.honest import Honest, Latencies
from tests.attacks.target import attacked

SETTLE = 2.0
"""Seconds of a phase that are not measured."""


def names() -> list[str]:
    """The attackers there are."""
    return [attacker.name for attacker in everyone()]


async def measure(name: str, seconds: float, rounds: int) -> None:
    """Print the honest tenant's p95 with this attacker and without, and their ratios."""
    [attacker] = [each for each in everyone() if each.name == name]
    alone, beside = Latencies(), Latencies()
    answers = Answers()
    async with attacked(attacker.settings) as target, Honest.at(target) as honest:
        for _ in range(rounds):
            await _phase(honest, alone, seconds)
            async with attacker.at_work(target) as found:
                await _phase(honest, beside, seconds)
            answers.seen.update(found.seen)
        memory = target.memory()
    print(f"{attacker.name}: {attacker.says}")
    for kind in ("reports", "calls", "events"):
        before, after = p95(getattr(alone, kind)), p95(getattr(beside, kind))
        print(f"  {kind:8} p95 alone {before:7.1f} ms, beside it {after:7.1f} ms, ratio {after / before:.2f}")
    met = ", ".join(f"{count:,} x {status} {code}".rstrip() for (status, code), count in sorted(answers.seen.items()))
    print(f"  the attacker was answered: {met or 'nothing'}; the server's Python: {memory:.0f} MiB", flush=True)


async def _phase(honest: Honest, into: Latencies, seconds: float) -> None:
    await honest.work_for(SETTLE)
    honest.latencies = Latencies()
    measured = honest.latencies
    await honest.work_for(seconds)
    await honest.settle()
    into.reports += measured.reports
    into.calls += measured.calls
    into.events += measured.events


def p95(values: list[float]) -> float:
    """The 95th percentile."""
    return sorted(values)[int(0.95 * len(values))]
