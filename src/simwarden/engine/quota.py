"""What applications have left of the calls that they may make in a day.

The usage ledger is the truth. Of an application with a quota each process reads it once a second at most, and in
between adds what it answers itself. What other processes answer meanwhile, and what was under way while the ledger was
read, is known with the next reading: until then calls are let through. A call under way holds its place, whatever comes
of it.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.usage import until_tomorrow
from simwarden.kit.clock import now_utc

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import date

READ_AFTER = timedelta(seconds=1)
"""Age at which what is known of the ledger is read anew."""


class _Known(msgspec.Struct):
    """What is known of an application."""

    day: date
    read_at: datetime
    used: int
    """As the ledger said then, and what was answered since."""


class QuotaAnswer(msgspec.Struct, frozen=True, eq=False):
    """What came of asking for one more call."""

    app_key: str
    known: _Known
    wait: int = 0
    """Seconds until the quota is new; 0: the call is let through."""


class Quotas:
    """The quotas of this process's callers. Applications without one are unknown here."""

    def __init__(
        self, used: Callable[[str, str, date], Awaitable[int]], *, clock: Callable[[], datetime] = now_utc
    ) -> None:
        """`used` returns how many calls of an account's application are counted for a day (`Reads.used`)."""
        self._used = used
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._open: dict[str, int] = {}
        """Calls that were let through and are not answered yet."""
        self._reading: dict[str, asyncio.Task[None]] = {}

    async def take(self, account_id: str, app_key: str, quota: int) -> QuotaAnswer:
        """Let one more call through, if there is one left; then it must be settled. Raises StoreUnavailable."""
        now = self._clock().astimezone(UTC)
        known = self._known.get(app_key)
        if known is None or known.day != now.date() or not timedelta(0) <= now - known.read_at < READ_AFTER:
            await self._refresh(account_id, app_key, now)
            known = self._known[app_key]
        if known.used + self._open.get(app_key, 0) < quota:
            self._open[app_key] = self._open.get(app_key, 0) + 1
            return QuotaAnswer(app_key, known)
        return QuotaAnswer(app_key, known, until_tomorrow(now))

    def settle(self, taken: QuotaAnswer, *, counted: bool) -> None:
        """A call that was let through is over; `counted`: it is, or will be, in the ledger."""
        left = self._open[taken.app_key] - 1
        if left:
            self._open[taken.app_key] = left
        else:
            del self._open[taken.app_key]
        if counted:  # of no consequence when the ledger was read meanwhile, and perhaps with it
            taken.known.used += 1

    async def _refresh(self, account_id: str, app_key: str, now: datetime) -> None:
        """Read the ledger; concurrent calls share one look."""
        task = self._reading.get(app_key)
        if task is None:
            task = self._reading[app_key] = asyncio.create_task(self._read(account_id, app_key, now), name="quota")
            task.add_done_callback(lambda done: self._forget(app_key, done))
        await asyncio.shield(task)

    async def _read(self, account_id: str, app_key: str, now: datetime) -> None:
        self._known[app_key] = _Known(now.date(), now, await self._used(account_id, app_key, now.date()))

    def _forget(self, app_key: str, done: asyncio.Task[None]) -> None:
        del self._reading[app_key]
        if not done.cancelled():
            done.exception()  # heard, also when the caller has gone
