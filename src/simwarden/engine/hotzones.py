"""Whether the traffic of SIMs with hotzones was out of the ordinary: for those who ask, and for those who are told."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Protocol

from simwarden.domain.hotzone import in_use, is_new, judge
from simwarden.domain.outliers import Baseline, baseline_of

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from datetime import date

    from simwarden.domain.hotzone import HotZones, HotzoneVerdict, Question, SimTraffic
    from simwarden.domain.sim import Sim
    from simwarden.store.sims import DeviceDates

KEPT = 2000
"""What is usual among SIMs of one account and model, for so many questions."""
KEPT_FOR = 3600.0
"""Seconds."""


class TrafficHistory(Protocol):
    """Knows how many calls and messages SIMs had, and since when they are in use. Days are those of UTC."""

    async def traffic(self, sim: Sim, zones: HotZones, first: date, last: date) -> SimTraffic:
        """What is counted of a SIM."""

    async def traffic_of_its_like(self, sim: Sim, zones: HotZones, asked: Question) -> list[int]:
        """Counts of the days before those asked for, of SIMs of the same account and model of device."""

    async def device_dates(self, sim: Sim) -> DeviceDates:
        """When a SIM came into devices."""


class HotzoneJudge:
    """Reads what is counted, and compares."""

    def __init__(self, history: TrafficHistory, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: seconds, for how long is kept what is usual among SIMs of one account and model."""
        self._history = history
        self._clock = clock
        self._usual: dict[Hashable, tuple[float, asyncio.Task[Baseline]]] = {}
        """With the time at which it was read, oldest first."""

    async def judge(
        self, sim: Sim, zones: HotZones, asked: Question, traffic: SimTraffic, *, about_to_read: Callable[[], None]
    ) -> HotzoneVerdict:
        """Compare what is counted of a SIM. A new one is measured by others of its account and model, of which what is
        usual is kept: `about_to_read` is called where it has to be read, and may raise what refuses that.
        """
        dates = await self._history.device_dates(sim)
        seen = in_use(asked, traffic, (dates.first_seen, None if sim.seen is None else sim.seen.at))
        others = Baseline()
        if sim.seen is not None and sim.seen.imei is not None and is_new(asked, traffic, seen):
            others = await self._usual_of(sim, sim.seen.imei[:8], zones, asked, about_to_read)
        return judge(asked, traffic, seen, others)

    async def _usual_of(
        self, sim: Sim, model: str, zones: HotZones, asked: Question, about_to_read: Callable[[], None]
    ) -> Baseline:
        """Who asks the same while it is read waits for the same."""
        key = sim.account_id, model, zones, asked.kinds, asked.side, asked.baseline_first
        known, now = self._usual.get(key), self._clock()
        if known is None or now - known[0] > KEPT_FOR or (known[1].done() and known[1].exception() is not None):
            about_to_read()
            self._usual.pop(key, None)
            while len(self._usual) >= KEPT:
                del self._usual[next(iter(self._usual))]
            known = now, asyncio.create_task(self._read(sim, zones, asked), name="hotzone-baseline")
            self._usual[key] = known
        return await asyncio.shield(known[1])

    async def _read(self, sim: Sim, zones: HotZones, asked: Question) -> Baseline:
        counts = await self._history.traffic_of_its_like(sim, zones, asked)
        return baseline_of(counts, len(counts))
