"""A loop of background work that waits, is woken, outlives outages and errors, and stops."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Protocol

import structlog

from simwarden.domain.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Collection

RETRY = 1.0
"""Seconds until the next turn after one that failed; doubles with every error in a row that is not an outage,"""
LONGEST = 5.0
"""up to this."""
_log = structlog.get_logger()


class Worker:
    """Takes turns: when the seconds are over that the last one returned, and when it is woken.

    A subclass names itself and says what a turn is. While the database cannot be used a turn is tried again every
    `RETRY` seconds, which is logged when it begins and when it is over. Any other error is logged, and the turn is
    tried again: nothing but `stop` ends the loop.
    """

    worker_name = "worker"
    """In the log, and of the task."""

    def __init__(self) -> None:
        self._woken = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None
        self._waits_for_database = False
        self._errors = 0
        """In a row."""

    async def turn(self) -> float:
        """Do what is due; returns the seconds until the next turn. Raises StoreUnavailable."""
        raise NotImplementedError

    def start(self) -> None:
        """Take turns from now on, also while the database is down."""
        self._loop = asyncio.create_task(self._take_turns(), name=self.worker_name)

    async def stop(self) -> None:
        """End the loop at once, in the middle of a turn too."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)

    def wake(self) -> None:
        """Something is due: take the next turn now."""
        self._woken.set()

    async def _take_turns(self) -> None:
        while True:
            self._woken.clear()
            wait = await self._try_turn()
            # Not wait_for: Python 3.11's swallows a cancellation that meets the wake-up, and stop() would hang.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._woken.wait()

    async def _try_turn(self) -> float:
        try:
            wait = await self.turn()
        except StoreUnavailable as error:
            if not self._waits_for_database:
                _log.warning("waiting for the database", worker=self.worker_name, reason=str(error))
            self._waits_for_database = True
            return RETRY
        except Exception:  # the boundary: whatever it was, the next turn may succeed
            seconds = min(RETRY * 2 ** min(self._errors, 10), LONGEST)
            _log.exception("failed, retrying", worker=self.worker_name, seconds=seconds)
            self._errors += 1
            await asyncio.sleep(seconds)
            return 0.0
        if self._waits_for_database:
            _log.info("working again", worker=self.worker_name)
        self._waits_for_database, self._errors = False, 0
        return wait


class Lease(Protocol):
    """The right to do what only one worker of an installation does at a time (`simwarden.store.leases`)."""

    @property
    def interval(self) -> float:
        """Seconds after which `refresh` asks the database again."""

    async def refresh(self) -> Collection[object]:
        """Take or renew it when that is due; returns nothing while another worker holds it. Raises StoreUnavailable."""

    async def leave(self) -> None:
        """Give it to whoever asks next."""


class SoleWorker(Worker):
    """A worker that looks only while it holds a lease: of an installation's workers, one at a time does this."""

    def __init__(self, lease: Lease) -> None:
        super().__init__()
        self._lease = lease
        self._next_look = 0.0

    async def stop(self) -> None:
        """End the loop at once, and let another worker take over."""
        await super().stop()
        await self._lease.leave()

    def wake(self) -> None:
        """Something is due: look now."""
        self._next_look = 0.0
        super().wake()

    async def turn(self) -> float:
        """Renew the lease, and look if it is held and the seconds are over that the last look returned.

        Returns the seconds until the next turn. Raises StoreUnavailable.
        """
        if not await self._lease.refresh():
            self._next_look = 0.0
            return self._lease.interval
        if time.monotonic() >= self._next_look:
            self._next_look = 0.0  # a look that fails is tried again
            wait = await self.look()
            if not self._woken.is_set():
                self._next_look = time.monotonic() + wait
        return max(0.0, min(self._next_look - time.monotonic(), self._lease.interval))

    async def look(self) -> float:
        """Do what is due; returns the seconds until more is. Raises StoreUnavailable."""
        raise NotImplementedError


async def ended(task: asyncio.Task[None]) -> None:
    """Cancel a task and wait until it is over, however it ends."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
