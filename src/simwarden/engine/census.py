"""Counts the installation for the pages of metrics, without ever asking much at once.

One worker at a time does it. What takes long is done more seldom: of any time, at most a twentieth goes into counting.
Thirty million SIMs are counted a few buckets at a time, again and again.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

from simwarden.domain.identifiers import BUCKETS
from simwarden.kit.clock import now_utc
from simwarden.kit.worker import SoleWorker
from simwarden.store import alarms, fleet

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from simwarden.store.database import Database
    from simwarden.store.leases import Leases

SHARE = 0.05
"""Of the time, at most this part is spent."""
ROUND = 60.0
"""Seconds from one beginning of counting all SIMs to the next, at least."""
_AIM = 0.01
"""Seconds that one statement over SIMs should take: calls that come meanwhile have a processor less."""


class Census(SoleWorker):
    """`leases` has a single share."""

    worker_name = "census"

    def __init__(
        self,
        db: Database,
        leases: Leases,
        *,
        every: float = 10.0,
        round_seconds: float = ROUND,
        clock: Callable[[], datetime] = now_utc,
    ) -> None:
        """`every`: seconds between two counts of what is open."""
        super().__init__(leases)
        self._db = db
        self._leases = leases
        self._every = every
        self._round_seconds = round_seconds
        self._clock = clock
        self._due: dict[str, float] = {"fleet": 0.0, "sims": 0.0}
        self._bucket = 0
        self._width = 1
        self._began = 0.0
        self._counted: Counter[tuple[str, str, bool]] = Counter()

    async def turn(self) -> float:
        """Count what is due while the lease is held; returns the seconds until more is. Raises StoreUnavailable."""
        if not self._leases.owned():
            self._bucket = 0  # another one counts: begin anew when it is our turn again
        return await super().turn()

    async def look(self) -> float:
        """Count what is due; returns the seconds until more is. Raises StoreUnavailable."""
        begun = time.monotonic()
        if begun >= self._due["fleet"]:
            open_alarms = await alarms.open_counts(self._db)
            await fleet.keep_fleet(
                self._db, await fleet.count_fleet(self._db, self._clock(), open_alarms), self._clock()
            )
            took = time.monotonic() - begun
            self._due["fleet"] = begun + max(self._every, took / SHARE)
        begun = time.monotonic()
        if begun >= self._due["sims"]:
            self._due["sims"] = await self._some_sims(begun)
        return max(0.05, min(min(self._due.values()) - time.monotonic(), self._every))

    async def _some_sims(self, begun: float) -> float:
        """Count the next few buckets; returns when to go on."""
        if self._bucket == 0:
            self._began = begun
            self._counted = Counter()
        end = min(self._bucket + self._width, BUCKETS)
        self._counted += await fleet.count_sims(self._db, self._bucket, end)
        took = time.monotonic() - begun
        self._bucket = end
        if took < _AIM / 2:
            self._width = min(BUCKETS, self._width * 2)
        elif took > _AIM:
            self._width = max(1, int(self._width * _AIM / took))
        if end == BUCKETS:
            await fleet.keep_sims(self._db, fleet.sim_counts(self._counted), self._clock())
            self._bucket = 0
            return max(self._began + self._round_seconds, begun + took / SHARE)
        return begun + took / SHARE
