"""Taking in reports: gathered into batches, answered after commit.

While one batch is written the next gathers, so a lone report is written at once and a storm in large batches. A report
that the database refuses spoils nothing for the others: its batch is halved until it is alone. Its gateway's reports
then go a way of their own for a while, so that a gateway that sends such reports again and again delays itself alone.
"""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from simwarden.domain.errors import SimwardenError, StoreUnavailable
from simwarden.engine.batch import Batch, Numbers, Tally
from simwarden.engine.ports import now_utc
from simwarden.store.database import TryAgain, concerns_all, is_refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from simwarden.domain.reports import Report
    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

__all__ = ["Ingest", "Tally", "UnacceptableReport"]

_log = structlog.get_logger()
_NUMBERS_KEPT = 200_000
_TRIES = 3
APART = 60.0
"""Seconds for which the reports of a gateway are taken in apart after one of them was refused."""
APART_MOST = 500
"""Messages that may wait apart; more are answered "not now"."""
REST = 3.0
"""After a refusal apart nothing is done there for so many times as long as it took."""


_Together = tuple["Sequence[Report]", asyncio.Future[None]]
"""Reports that came together stand or fall together; and who waits for them."""


class UnacceptableReport(SimwardenError):
    """This report cannot be stored."""


class Ingest:
    """The one way in for what sources report.

    `refresh`: how old the stored time of a SIM's newest sighting may become before a repeated one is written.
    `committed` is called after each batch, outside the transaction. `monotonic` is the clock for how long a gateway
    is kept apart, in seconds.
    """

    def __init__(
        self,
        db: Database,
        vault: Vault | None = None,
        *,
        refresh: timedelta = timedelta(minutes=15),
        most: int = 2000,
        committed: Callable[[Tally], None] = lambda _tally: None,
        clock: Callable[[], datetime] = now_utc,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`vault` is needed for gateways that report messages or calls."""
        self._db = db
        self._vault = vault
        self._refresh = refresh
        self._most = most
        self._committed = committed
        self._clock = clock
        self._monotonic = monotonic
        self._waiting: list[_Together] = []
        self._task: asyncio.Task[None] | None = None
        self._waiting_apart: list[_Together] = []
        self._task_apart: asyncio.Task[None] | None = None
        self._suspects: dict[int, float] = {}
        """Until when the reports of gateways, by id, are taken in apart."""
        self._numbers: Numbers = {}

    async def submit(self, *reports: Report) -> None:
        """Take in reports of one gateway that came together, all or none; returns when their effects are committed.

        Raises StoreUnavailable (nothing was taken in, send again) and UnacceptableReport (it never will be).
        """
        if not reports:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._suspects and self._suspects.get(reports[0].gateway_id, 0.0) > self._monotonic():
            if len(self._waiting_apart) >= APART_MOST:
                raise StoreUnavailable("Too many reports wait apart because some of this gateway could not be stored")
            self._waiting_apart.append((reports, future))
            if self._task_apart is None:
                self._task_apart = asyncio.create_task(self._run_apart(), name="ingest-apart")
        else:
            self._waiting.append((reports, future))
            if self._task is None:
                self._task = asyncio.create_task(self._run(), name="ingest")
        await asyncio.shield(future)

    async def drain(self) -> None:
        """Wait until everything that was submitted is committed or refused."""
        while tasks := [task for task in (self._task, self._task_apart) if task is not None]:
            await asyncio.wait(tasks)

    async def _run(self) -> None:
        try:
            while self._waiting:
                await self._flush(self._take())
        finally:
            self._task = None

    async def _run_apart(self) -> None:
        """One gateway at a time, who waits longest first."""
        try:
            while self._waiting_apart:
                gateway_id = self._waiting_apart[0][0][0].gateway_id
                batch = [item for item in self._waiting_apart if item[0][0].gateway_id == gateway_id]
                self._waiting_apart = [item for item in self._waiting_apart if item[0][0].gateway_id != gateway_id]
                began = time.monotonic()
                if not await self._flush(batch):
                    await asyncio.sleep(REST * (time.monotonic() - began))
        finally:
            self._task_apart = None

    def _take(self) -> list[_Together]:
        size, count = 0, 0
        for reports, _ in self._waiting:
            more = sum(len(report.ports) + 1 for report in reports)
            if size and size + more > self._most:
                break
            size += more
            count += 1
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        return batch

    async def _flush(self, batch: list[_Together]) -> bool:
        """Write a batch and answer everybody; returns whether nothing of it was refused."""
        try:
            tally = await self._write([report for reports, _ in batch for report in reports])
        except StoreUnavailable as error:
            _settle(batch, error)
            return True
        except Exception as error:
            if len(batch) > 1 and not concerns_all(error):
                half = len(batch) // 2
                return all([await self._flush(batch[:half]), await self._flush(batch[half:])])
            self._refuse(batch, error)
            return False
        except BaseException as error:
            _settle(batch, error)
            raise
        _settle(batch, None)
        self._committed(tally)
        return True

    def _refuse(self, batch: list[_Together], error: Exception) -> None:
        """One sender's reports failed by themselves, or a batch for a reason that lies in none of them."""
        if concerns_all(error):
            _log.error("batch of reports failed", reports=len(batch), exc_info=error)
            _settle(batch, error)
            return
        gateway = batch[0][0][0]
        now = self._monotonic()
        self._suspects = {id_: until for id_, until in self._suspects.items() if until > now}
        self._suspects[gateway.gateway_id] = now + APART
        if not is_refusal(error):
            _log.error("report failed", gateway=gateway.gateway_name, exc_info=error)
            _settle(batch, error)
            return
        _log.warning("report refused", gateway=gateway.gateway_name, reason=str(error))
        _settle(batch, UnacceptableReport(f"The report holds values that cannot be stored: {error}"))

    async def _write(self, reports: Sequence[Report]) -> Tally:
        for _ in range(_TRIES):
            try:
                async with self._db.transaction() as connection:
                    batch = Batch(connection, reports, self._refresh, self._clock, self._numbers, self._vault)
                    tally = await batch.run()
            except TryAgain:
                continue
            if len(self._numbers) > _NUMBERS_KEPT:
                self._numbers.clear()
            self._numbers |= batch.numbers
            return tally
        raise StoreUnavailable("The database has too much to do at the moment")


def _settle(batch: list[_Together], error: BaseException | None) -> None:
    for _, future in batch:
        if future.done():
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
            future.exception()  # heard, also when the sender has gone
