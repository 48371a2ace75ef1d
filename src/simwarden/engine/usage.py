"""Counting calls that change nothing: in memory, written once a second.

A call that changes something is counted in the transaction that makes the change (`orders.carry_out`). One that only
reads has no transaction, and must stay as quick as it is. What was counted and is not yet written is lost when the
process is killed, in the customer's favour; nothing is ever counted twice.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from datetime import UTC, timedelta
from typing import TYPE_CHECKING

import structlog

from simwarden.domain.errors import StoreUnavailable
from simwarden.kit.clock import now_utc
from simwarden.store import usage as store
from simwarden.store.database import available

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date, datetime

    from simwarden.domain.usage import Usage
    from simwarden.store.database import Database

EVERY = 1.0
"""Seconds between two writings."""
PATIENCE = 5.0
"""Seconds that the last writing may take."""
LATE = timedelta(minutes=45)
"""Calls that could not be written for so long after their month's end are counted on the day on which they are. A month
is closed an hour after its end at the soonest (`billing.invoices.SETTLED`), and nothing is added to it from then on."""
_log = structlog.get_logger()


class Reads:
    """The reading calls of this process."""

    def __init__(self, db: Database, *, clock: Callable[[], datetime] = now_utc) -> None:
        self._db = db
        self._clock = clock
        self._fresh: Counter[Usage] = Counter()
        self._waiting: Counter[store.Key] = Counter()
        self._writing = asyncio.Lock()
        self._ending = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def count(self, usage: Usage) -> None:
        """One call was answered."""
        self._fresh[usage] += 1

    def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._run(), name="usage")

    async def stop(self) -> None:
        """Write what is left, and stop."""
        self._ending.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=PATIENCE)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def held_up(self) -> asyncio.Lock:
        """While this is held nothing is written: what is counted here and what is in the ledger do not overlap."""
        return self._writing

    def unwritten(self, account_id: str, app_key: str, day: date) -> int:
        """Calls of an application ("": of all of the account) that are counted for this day and not in the ledger."""

        def is_meant(usage: Usage) -> bool:
            return usage.account_id == account_id and app_key in ("", usage.app_key)

        waiting = sum(n for (on, _, usage), n in self._waiting.items() if on == day and is_meant(usage))
        return waiting + sum(n for usage, n in self._fresh.items() if is_meant(usage))

    async def flush(self) -> None:
        """Write what was counted. Raises StoreUnavailable: it is kept for later unless it may have been written."""
        async with self._writing:
            await self._write()

    async def _write(self) -> None:
        day = self._clock().astimezone(UTC).date()
        for usage, times in self._fresh.items():
            self._waiting[day, store.bucket_of_application(usage.app_key), usage] += times
        self._fresh.clear()
        if not self._waiting:
            return
        self._waiting = self._late_ones_today(day)
        written, self._waiting = self._waiting, Counter()
        committing = False
        try:
            async with self._db.connection() as connection:
                transaction = connection.transaction()
                await transaction.start()
                await store.count(connection, written)
                committing = True
                with available():
                    await transaction.commit()
        except BaseException:
            if committing:  # perhaps it is written: to count it again could count it twice
                _log.warning("calls are perhaps not counted", calls=written.total())
            else:
                self._waiting.update(written)
            raise

    def _late_ones_today(self, today: date) -> Counter[store.Key]:
        """What waits, with calls of a month that may be closed by now under today's date: the next invoice has them."""
        open_from = (self._clock().astimezone(UTC) - LATE).date().replace(day=1)
        if all(day >= open_from for day, _, _ in self._waiting):
            return self._waiting
        found: Counter[store.Key] = Counter()
        for (day, bucket, usage), times in self._waiting.items():
            found[day if day >= open_from else today, bucket, usage] += times
        return found

    async def _run(self) -> None:
        while not self._ending.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(EVERY):
                    await self._ending.wait()
            try:
                await self.flush()
            except StoreUnavailable as error:
                _log.warning("calls are counted later", reason=error.message)
            except Exception:  # the boundary: what is counted later is not lost
                _log.exception("calls are counted later")
