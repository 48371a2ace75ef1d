"""What workers have in common that change SIMs in the background."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from simwarden.domain import rules
from simwarden.engine.unit_of_work import Outcome, UnitOfWork
from simwarden.kit.clock import now_utc
from simwarden.kit.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from simwarden.domain.events import Cause
    from simwarden.store.database import Database

AT_ONCE = 200
"""SIMs of one transaction."""
_log = structlog.get_logger()


class DecidingWorker(Worker):
    """`committed` is called after each commit. Any number of them may run: a SIM is decided under its lock."""

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

    async def decide_all(self, imsis: Sequence[str], stimulus: object, now: datetime, cause: Cause) -> Outcome:
        """Let the rules see the same of these SIMs, in one transaction.

        A SIM whose rule fails stays as it is, which is logged, and does not hold up the others.
        """
        async with self._db.transaction() as connection:
            work = UnitOfWork(connection, now)
            await work.lock(imsis)
            for sim in list(work.sims.values()):
                try:
                    decision = rules.decide(sim, stimulus, now, cause)
                except Exception:
                    _log.exception("rule failed, the SIM is left as it is", worker=self.worker_name, imsi=sim.imsi)
                    continue
                if decision.sim != sim:
                    work.decide(decision)
            outcome = await work.write()
        self._committed(outcome)
        return outcome
