"""The attackers, one file each; the package's docstring above says what such a file holds."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import pkgutil
from collections import Counter
from typing import TYPE_CHECKING, Any

import aiohttp
from tests.attacks.target import code_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from contextlib import AbstractAsyncContextManager
    from types import ModuleType

    from tests.attacks.target import Target

LONGEST = 300.0
"""Seconds after which an attack ends by itself, whatever whoever started it does."""


class Answers:
    """What an attacker was answered so far."""

    def __init__(self) -> None:
        self.seen: Counter[tuple[int, str]] = Counter()
        """By HTTP status and code; (0, name of the error) where there was no answer."""

    async def of(self, response: aiohttp.ClientResponse) -> Any:
        """Count an answer; returns its body (JSON decoded, else text)."""
        text = await response.text(errors="replace")
        return self.count(response.status, text)

    def count(self, status: int, text: str) -> Any:
        """Count an answer with this body; returns the body (JSON decoded, else text)."""
        try:
            body = json.loads(text)
        except ValueError:
            body = text
        self.seen[status, code_of(body)] += 1
        return body

    def none(self, error: BaseException) -> None:
        """Count a call that was not answered."""
        self.seen[0, type(error).__name__] += 1

    @property
    def total(self) -> int:
        """How many calls were answered."""
        return sum(count for (status, _), count in self.seen.items() if status)


class Attacker:
    """One attacker: its file, read."""

    def __init__(self, module: ModuleType) -> None:
        self.name = module.__name__.rpartition(".")[2]
        self.says = (module.__doc__ or "").strip().splitlines()[0]
        self.expects: Sequence[tuple[int, str]] = getattr(module, "EXPECTS", ())
        self.counted: Sequence[str] = getattr(module, "COUNTED", ())
        self.settings: dict[str, str] = getattr(module, "SETTINGS", {})
        self.memory: float = getattr(module, "MEMORY", 200.0)
        """MiB that the server's Python processes may grow by."""
        self._attack: Callable[[Target], AbstractAsyncContextManager[Answers]] = module.attack
        self._check: Callable[[Target, Answers], Awaitable[None]] | None = getattr(module, "check", None)

    @contextlib.asynccontextmanager
    async def at_work(self, target: Target) -> AsyncIterator[Answers]:
        """The attack, until this is left."""
        async with self._attack(target) as answers:
            yield answers

    async def check(self, target: Target, answers: Answers) -> None:
        """What its file wants to hold at the end."""
        if self._check is not None:
            await self._check(target, answers)


def everyone() -> list[Attacker]:
    """All attackers, by name."""
    names = sorted(found.name for found in pkgutil.iter_modules(__path__))
    return [Attacker(importlib.import_module(f"{__name__}.{name}")) for name in names]


@contextlib.asynccontextmanager
async def clients(
    number: int, work: Callable[[int], Awaitable[None]], answers: Answers, *, pause: float = 0.0
) -> AsyncIterator[None]:
    """So many loops of `work(n)`, n the loop's number, until this is left; errors of the connection are counted.

    `pause`: seconds between two turns of one loop.
    """

    async def loop(n: int) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LONGEST):
                while True:
                    try:
                        await work(n)
                    except (aiohttp.ClientError, OSError, TimeoutError, asyncio.IncompleteReadError) as error:
                        answers.none(error)
                        await asyncio.sleep(0.05)
                    await asyncio.sleep(pause)

    tasks = [asyncio.create_task(loop(n), name=f"attacker-{n}") for n in range(number)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for outcome in ended:  # a fault of the attacker's own code must not look like a server that withstands
        if isinstance(outcome, Exception):
            raise outcome
