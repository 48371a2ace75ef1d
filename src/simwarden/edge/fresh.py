"""A fact that many ask for and that is looked up rarely."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")


class Fresh(Generic[T]):
    """What `look` found at most `seconds` ago. Whoever asks while it is being looked up waits for that same look."""

    def __init__(
        self, look: Callable[[], Awaitable[T]], seconds: float, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """An exception of `look` reaches those who wait for it, and is not kept."""
        self._look = look
        self._seconds = seconds
        self._clock = clock
        self._found: tuple[float, T] | None = None
        self._looking: asyncio.Task[T] | None = None

    async def get(self) -> T:
        """The fact."""
        if self._found is not None and self._clock() - self._found[0] < self._seconds:
            return self._found[1]
        if self._looking is None:
            self._looking = asyncio.create_task(self._once(), name="fresh")
            self._looking.add_done_callback(self._done)
        return await asyncio.shield(self._looking)

    async def _once(self) -> T:
        found = await self._look()
        self._found = (self._clock(), found)
        return found

    def _done(self, task: asyncio.Task[T]) -> None:
        self._looking = None
        if not task.cancelled():
            task.exception()  # heard, also when whoever waited has gone
