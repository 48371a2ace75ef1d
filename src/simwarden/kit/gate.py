"""Letting only so many do something at once, for each of many keys."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Hashable


class Gate:
    """At most `most` of one key are inside at once; the others wait in the order in which they came."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._gates: dict[Hashable, asyncio.Semaphore] = {}
        self._users: Counter[Hashable] = Counter()

    @contextlib.asynccontextmanager
    async def enter(self, key: Hashable) -> AsyncIterator[None]:
        """Wait for a place, and keep it until the end of the block."""
        gate = self._gates.setdefault(key, asyncio.Semaphore(self._most))
        self._users[key] += 1
        try:
            async with gate:
                yield
        finally:
            self._users[key] -= 1
            if not self._users[key]:
                del self._users[key], self._gates[key]
