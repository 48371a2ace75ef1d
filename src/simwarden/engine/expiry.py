"""Lifting bars when their time is over. Every worker looks; a SIM that two look at is decided once, under its lock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.domain import rules
from simwarden.domain.events import Cause, CauseKind
from simwarden.domain.rules.timed import Expire
from simwarden.engine.unit_of_work import Outcome, UnitOfWork
from simwarden.kit.clock import now_utc
from simwarden.kit.worker import Worker
from simwarden.store import limits

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from simwarden.store.database import Database

AT_ONCE = 200
"""SIMs of one transaction."""
POLL = 5.0
"""Most seconds between two looks: so late a bar may be lifted that another process raised shortly before its end."""


class Expiry(Worker):
    """The worker. `committed` is called after each commit. The times are in the database: a restart loses none."""

    worker_name = "expiry"

    def __init__(
        self,
        db: Database,
        *,
        committed: Callable[[Outcome], None] = lambda _outcome: None,
        clock: Callable[[], datetime] = now_utc,
    ) -> None:
        super().__init__()
        self._db = db
        self._committed = committed
        self._clock = clock

    async def turn(self) -> float:
        """Lift what is over; returns the seconds until more is."""
        now = self._clock()
        due = await limits.due(self._db, now, AT_ONCE)
        if due and await self._lift(due, now):
            return 0.0
        first = None if due else await limits.next_due(self._db)
        return POLL if first is None else min(max((first - now).total_seconds(), 0.0), POLL)

    async def _lift(self, imsis: list[str], now: datetime) -> bool:
        cause = Cause(CauseKind.TIME, "clock", now, "bar expired")
        async with self._db.transaction() as connection:
            work = UnitOfWork(connection, now)
            await work.lock(imsis)
            lifted = False
            for sim in list(work.sims.values()):
                decision = rules.decide(sim, Expire(), now, cause)
                if decision.events:
                    work.decide(decision)
                    lifted = True
            outcome = await work.write()
        self._committed(outcome)
        return lifted
