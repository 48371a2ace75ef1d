"""Every attacker is let loose on a server, and the honest tenant beside it must not notice."""

from __future__ import annotations

import asyncio

import pytest
from tests.attacks.attackers import Answers, Attacker, everyone
from tests.attacks.honest import Honest, Wrong
from tests.attacks.target import Target, attacked

from simwarden.demo.world import until

ROUNDS = 60
"""Reports and calls of the honest tenant beside the attack."""
MEETS = 60.0
"""Seconds within which an attacker must have met its limits."""
LOG_BYTES = 256 * 1024
"""What an attack may add to the log, beside one line for each call of an API."""


@pytest.mark.parametrize("attacker", everyone(), ids=lambda attacker: attacker.name)
async def test_the_honest_tenant_does_not_notice(attacker: Attacker, database_url: str) -> None:
    async with attacked(attacker.settings, database_url) as target, Honest.at(target) as honest:
        await honest.work(6)
        before, log, memory = await target.metrics(), len(target.log()), Memory(target)
        async with memory.watched():
            async with attacker.at_work(target) as answers:
                await honest.work(ROUNDS)
                await _met(attacker, answers)
            await honest.settle()
        await attacker.check(target, answers)
        grown = await _grown(attacker, target, before)
        # The log of calls has a line for each, as it should, and can be switched off; all else must stay quiet.
        added = "".join(line for line in target.log()[log:].splitlines(True) if '"event":"call"' not in line)
    assert grown == dict.fromkeys(attacker.counted, True)
    assert memory.most - memory.at_first < attacker.memory, f"{memory.at_first:.0f} to {memory.most:.0f} MiB"
    broken = [line for line in added.splitlines() if "Traceback" in line]
    assert not broken, broken[0][:8000]
    assert len(added) < LOG_BYTES, added[:4000]


async def test_a_probe_that_is_answered_wrongly_is_heard(database_url: str) -> None:
    """The harness itself can fail: a lost event, a doubled one and a wrong answer are each an error."""
    async with attacked(database_url=database_url) as target, Honest.at(target) as honest:
        await honest.work(6)
        await honest.settle()
        event = next(iter(honest._taken))
        honest._taken[event] += 1
        with pytest.raises(Wrong, match="came twice"):
            await honest.settle()
        honest._taken[event] -= 1
        honest._due[next(iter(honest._came)), "350000000000000"] = 0.0
        with pytest.raises(Wrong, match="1 of 7 events are lost"):
            await honest.settle(patience=0.1)
        target.honest.token = target.attacker.token
        with pytest.raises(Wrong, match="answered"):
            await honest.work(6)


async def _met(attacker: Attacker, answers: Answers) -> None:
    async def met() -> bool:
        return all(answers.seen[expected] for expected in attacker.expects)

    try:
        await until(met, "the attacker met its limits", MEETS)
    except Exception:
        pytest.fail(f"Expected were {attacker.expects}, answered was {dict(answers.seen)}")


async def _grown(attacker: Attacker, target: Target, before: dict[str, float]) -> dict[str, bool]:
    after = await target.metrics()

    def total(page: dict[str, float], series: str) -> float:
        return sum(value for name, value in page.items() if name.startswith(series))

    return {series: total(after, series) > total(before, series) for series in attacker.counted}


class Memory:
    """The memory of the server's processes, looked at while something goes on."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self.at_first = self.most = target.memory()

    def watched(self) -> _Watched:
        """Look twice a second until this is left."""
        return _Watched(self)

    async def look(self) -> None:
        """Look for ever."""
        while True:
            self.most = max(self.most, await asyncio.to_thread(self._target.memory))
            await asyncio.sleep(0.5)


class _Watched:
    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._memory.look(), name="memory")

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
