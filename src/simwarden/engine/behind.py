"""What a question of a network element brings that nobody waits for: that it was heard, and the coarse time of a
sighting that shows nothing else than what is stored. Written behind the answer; if it is lost, the next brings it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import structlog

from simwarden.domain.errors import StoreUnavailable
from simwarden.engine.ingest import UnacceptableReport

if TYPE_CHECKING:
    from collections.abc import Callable

    from simwarden.domain.reports import Report
    from simwarden.engine.ingest import Ingest

HEARD = 10.0
"""Seconds after which an element that asks is noted as heard again, also when nothing changes."""
MOST = 2000
"""Reports that may wait to be written; of more only the times are lost."""
_log = structlog.get_logger()


class WrittenBehind:
    """Of one worker process."""

    def __init__(self, ingest: Ingest, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """`monotonic` is the clock, in seconds."""
        self._ingest = ingest
        self._monotonic = monotonic
        self._heard: dict[int, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def is_due(self, element_id: int) -> bool:
        """Whether it was noted long ago that this element is heard."""
        at = self._monotonic()
        return at - self._heard.get(element_id, at - HEARD) >= HEARD

    def heard(self, element_id: int) -> None:
        """A report of this element was just committed."""
        self._heard[element_id] = self._monotonic()

    def note(self, report: Report) -> None:
        """Take a report in, some time soon; when too many wait for that, not."""
        if len(self._tasks) >= MOST:
            return
        self.heard(report.gateway_id)
        task = asyncio.create_task(self._write(report), name="behind")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def drain(self) -> None:
        """Wait until what is to be written is written."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _write(self, report: Report) -> None:
        try:
            await self._ingest.submit(report)
        except (StoreUnavailable, UnacceptableReport) as error:
            _log.info("time of a sighting not written", gateway=report.gateway_name, reason=error.message)
