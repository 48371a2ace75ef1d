"""Taking in reports: gathered into batches, answered after commit.

While one batch is written the next gathers, so a lone report is written at once and a storm in large batches. Records
take long, so two batches with records are written at a time, of different gateways: each gateway's reports stay in
order. A report that the database refuses spoils nothing for the others: its batch is halved until it is alone. Its
gateway's reports then go a way of their own for a while, so that a gateway that sends such reports again and again
delays itself alone.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from simwarden.domain.errors import SimwardenError, StoreUnavailable
from simwarden.engine.batch import Batch, Tally
from simwarden.engine.slots import Numbers
from simwarden.kit.batcher import Batcher
from simwarden.kit.clock import now_utc
from simwarden.store.database import concerns_all, is_refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from simwarden.domain.reports import Report
    from simwarden.engine.counters import CounterMarks
    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

__all__ = ["Ingest", "Tally", "UnacceptableReport"]

_log = structlog.get_logger()
_NUMBERS_KEPT = 200_000
_DAY = timedelta(days=1)
LANES = 2
"""Batches of reports with records that are written beside each other: while PostgreSQL works on one, we work on the
other. Reports without records are one batch at a time, which is the larger for it."""
APART = 60.0
"""Seconds for which the reports of a gateway are taken in apart after one of them was refused."""
APART_MOST = 500
"""Messages that may wait apart; more are answered "not now"."""
REST = 3.0
"""After a refusal apart nothing is done there for so many times as long as it took."""


_Together = tuple["Report", ...]
"""Reports of one gateway that came together stand or fall together."""


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
        records_kept: timedelta = timedelta(days=30),
        most: int = 2000,
        committed: Callable[[Tally], None] = lambda _tally: None,
        clock: Callable[[], datetime] = now_utc,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`vault` is needed for gateways that report messages or calls.

        `records_kept`: how long those are stored. One of a day before that is not counted by day when it comes: it may
        have been counted already, and forgotten.
        """
        self._db = db
        self._vault = vault
        self._refresh = refresh
        self._counted_back = max(records_kept - _DAY, _DAY)
        self._committed = committed
        self._clock = clock
        self._monotonic = monotonic
        self._lanes = [_Lane(_Reports(self, most)) for _ in range(LANES)]
        self._lane_of: dict[int, _Lane] = {}
        """Of gateways, by id, of which reports are being taken in."""
        self._apart = _ReportsApart(self, most)
        self._suspects: dict[int, float] = {}
        """Until when the reports of gateways, by id, are taken in apart."""
        self._numbers: Numbers = {}
        self._marks: CounterMarks = {}

    @property
    def refresh(self) -> timedelta:
        """How old the stored time of a SIM's newest sighting may become before a repeated one is written."""
        return self._refresh

    async def submit(self, *reports: Report) -> None:
        """Take in reports of one gateway that came together, all or none; returns when their effects are committed.

        Raises StoreUnavailable (nothing was taken in, send again) and UnacceptableReport (it never will be).
        """
        if not reports:
            return
        if self._suspects and self._suspects.get(reports[0].gateway_id, 0.0) > self._monotonic():
            if self._apart.waiting >= APART_MOST:
                raise StoreUnavailable("Too many reports wait apart because some of this gateway could not be stored")
            await self._apart.submit(reports)
        else:
            await self._take_in(reports)

    async def _take_in(self, reports: _Together) -> None:
        """By one lane, or with records by either, but all of a gateway's that are under way by the same."""
        gateway_id = reports[0].gateway_id
        lane = self._lane_of.get(gateway_id)
        if lane is None:
            has_records = any(report.sms or report.calls for report in reports)
            lane = min(self._lanes, key=lambda each: each.under_way) if has_records else self._lanes[0]
            self._lane_of[gateway_id] = lane
        lane.enter(gateway_id)
        try:
            await lane.reports.submit(reports)
        finally:
            if lane.leave(gateway_id):
                del self._lane_of[gateway_id]

    async def drain(self) -> None:
        """Wait until everything that was submitted is committed or refused."""
        for lane in self._lanes:
            await lane.reports.drain()
        await self._apart.drain()

    async def write(self, reports: Sequence[Report]) -> None:
        """Take in a batch. Raises what the database raises."""
        async with self._db.transaction() as connection:
            batch = Batch(
                connection,
                reports,
                self._refresh,
                self._clock,
                self._numbers,
                self._vault,
                self._counted_back,
                self._marks,
            )
            tally = await batch.run()
        if max(len(self._numbers), len(self._marks)) > _NUMBERS_KEPT:
            self._numbers.clear()
            self._marks.clear()
        self._numbers |= batch.numbers
        self._marks |= batch.marks
        self._committed(tally)

    def refuse(self, batch: Sequence[_Together], error: Exception) -> Exception:
        """One sender's reports failed by themselves, or a batch for a reason that lies in none of them."""
        if concerns_all(error):
            _log.error("batch of reports failed", reports=len(batch), exc_info=error)
            return error
        gateway = batch[0][0]
        now = self._monotonic()
        self._suspects = {id_: until for id_, until in self._suspects.items() if until > now}
        self._suspects[gateway.gateway_id] = now + APART
        if not is_refusal(error):
            _log.error("report failed", gateway=gateway.gateway_name, exc_info=error)
            return error
        _log.warning("report refused", gateway=gateway.gateway_name, reason=str(error))
        return UnacceptableReport(f"The report holds values that cannot be stored: {error}")


class _Lane:
    """Takes in batches one after the other, beside the other lanes."""

    def __init__(self, reports: _Reports) -> None:
        self.reports = reports
        self.under_way = 0
        self._of: dict[int, int] = {}
        """By gateway."""

    def enter(self, gateway_id: int) -> None:
        """Something of this gateway is under way."""
        self.under_way += 1
        self._of[gateway_id] = self._of.get(gateway_id, 0) + 1

    def leave(self, gateway_id: int) -> bool:
        """It ended; returns whether nothing else of this gateway is under way."""
        self.under_way -= 1
        left = self._of.pop(gateway_id) - 1
        if left:
            self._of[gateway_id] = left
        return not left


class _Reports(Batcher[_Together, None]):
    """Reports of all gateways; `most` counts them, the ports that they speak of and the records."""

    batcher_name = "ingest"

    def __init__(self, ingest: Ingest, most: int) -> None:
        super().__init__(most=most)
        self._ingest = ingest

    def size(self, item: _Together) -> int:
        return sum(len(report.ports) + len(report.sms) + len(report.calls) + 1 for report in item)

    async def write(self, items: Sequence[_Together]) -> Sequence[None]:
        await self._ingest.write([report for reports in items for report in reports])
        return [None] * len(items)

    def can_halve(self, error: Exception) -> bool:
        return not concerns_all(error)

    def failed(self, items: Sequence[_Together], error: Exception) -> Exception:
        return self._ingest.refuse(items, error)


class _ReportsApart(_Reports):
    """Reports of gateways of which one was refused: one gateway at a time, who waits longest first."""

    batcher_name = "ingest-apart"
    rest = REST

    def group(self, item: _Together) -> int:
        return item[0].gateway_id
