"""Telling that SIMs can or cannot be reached any more, or roam, when reports show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.domain.events import Cause, CauseKind
from simwarden.domain.identifiers import ALL_BUCKETS
from simwarden.engine import standing
from simwarden.engine.deciding import AT_ONCE, DecidingWorker
from simwarden.engine.unit_of_work import Outcome, UnitOfWork
from simwarden.store import standing as store

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import asyncpg

POLL = 5.0
"""Seconds between two looks for such SIMs."""
PRUNE_EVERY = 720
"""Looks between two at which it is forgotten how SIMs stood of which nobody is told any more."""


async def judge(connection: asyncpg.Connection, causes: Mapping[str, Cause], now: datetime) -> Outcome:
    """Let the rules see what is stored by now of those SIMs, by IMSI, of which something else was shown.

    Call it in the transaction that stored what was shown. SIMs of which nobody is told are not even locked.
    """
    if not causes:
        return Outcome()
    watched = await store.watched(connection, sorted(causes))
    if not watched:
        return Outcome()
    work = UnitOfWork(connection, now)
    await work.lock(watched)
    for decision in await standing.decide(connection, list(work.sims.values()), causes, now):
        work.decide(decision)
    return await work.write()


class StandingWatch(DecidingWorker):
    """The restart of an element ends all its sessions in one row, at once; whom it disconnected is told behind that.

    Any number of them may run: a SIM that two look at is decided once, under its lock.
    """

    worker_name = "standing"
    _looks = 0

    async def turn(self) -> float:
        """One look; returns the seconds until the next."""
        found = await store.outdated(self._db, ALL_BUCKETS, AT_ONCE)
        if found:
            now = self._clock()
            cause = Cause(CauseKind.TIME, "clock", now, "element restarted")
            async with self._db.transaction() as connection:
                outcome = await judge(connection, dict.fromkeys(found, cause), now)
            self._committed(outcome)
            if outcome.changed:
                return 0.0
        self._looks += 1
        if self._looks % PRUNE_EVERY == 0:
            await store.prune(self._db, ALL_BUCKETS)
        return POLL
