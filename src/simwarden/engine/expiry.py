"""Lifting bars when their time is over. Every worker looks; a SIM that two look at is decided once, under its lock."""

from __future__ import annotations

from simwarden.domain.events import Cause, CauseKind
from simwarden.domain.rules.timed import Expire
from simwarden.engine.deciding import AT_ONCE, DecidingWorker
from simwarden.store import limits

POLL = 5.0
"""Most seconds between two looks: so late a bar may be lifted that another process raised shortly before its end."""


class Expiry(DecidingWorker):
    """The worker. The times are in the database: a restart loses none."""

    worker_name = "expiry"

    async def turn(self) -> float:
        """Lift what is over; returns the seconds until more is."""
        now = self._clock()
        due = await limits.due(self._db, now, AT_ONCE)
        if due:
            outcome = await self.decide_all(due, Expire(), now, Cause(CauseKind.TIME, "clock", now, "bar expired"))
            return 0.0 if outcome.changed else POLL
        first = await limits.next_due(self._db)
        return POLL if first is None else min(max((first - now).total_seconds(), 0.0), POLL)
