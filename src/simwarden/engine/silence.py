"""Rules of silence: SIMs that nobody has seen for so long. One process at a time looks, some SIMs at once.

Reports cost nothing more by them: what is compared is when SIMs were seen last. For which silences a rule has fired is
stored, in the commit of what it does: a restart forgets none and repeats none.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from simwarden.domain import rules
from simwarden.domain.events import Cause, CauseKind
from simwarden.domain.risk_windows import Hit
from simwarden.engine.deciding import AT_ONCE
from simwarden.engine.unit_of_work import Outcome, UnitOfWork
from simwarden.kit.clock import now_utc
from simwarden.kit.worker import SoleWorker
from simwarden.store import risk as store

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simwarden.domain.risk import StoredRule
    from simwarden.store.database import Database
    from simwarden.store.leases import Leases

LOOKED_AT = 5_000
"""SIMs of one statement."""
PAUSE = 0.2
"""Seconds between two of those."""
POLL = 30.0
"""Seconds between two rounds."""
_PRUNED = 1_000
_log = structlog.get_logger()


class Silence(SoleWorker):
    """`leases` has a single share. `committed` is called after each commit."""

    worker_name = "silence"

    def __init__(
        self,
        db: Database,
        leases: Leases,
        *,
        committed: Callable[[Outcome], None] = lambda _outcome: None,
        clock: Callable[[], datetime] = now_utc,
    ) -> None:
        super().__init__(leases)
        self._db = db
        self._committed = committed
        self._clock = clock
        self._round: list[StoredRule] = []
        self._after = ""
        self._due = 0.0
        """When the next round begins."""

    async def look(self) -> float:
        """Look at some SIMs for one rule; returns the seconds until the next."""
        if not self._round:
            if time.monotonic() < self._due:
                return POLL
            self._round, self._after = await store.of_silence(self._db), ""
            self._due = time.monotonic() + POLL
        if not self._round:
            return POLL
        rule = self._round[0]
        now = self._clock()
        before = now - timedelta(minutes=rule.rule.in_minutes)
        last, silent = await store.silent(self._db, rule, self._after, before, LOOKED_AT)
        for begin in range(0, len(silent), AT_ONCE):
            await self._fire(rule, silent[begin : begin + AT_ONCE], before, now)
        if last is not None:
            self._after = last
            return PAUSE
        self._round, self._after = self._round[1:], ""
        if self._round:
            return PAUSE
        await store.prune_silences(self._db, _PRUNED)
        self._due = time.monotonic() + POLL
        return POLL

    async def _fire(self, rule: StoredRule, imsis: Sequence[str], before: datetime, now: datetime) -> None:
        cause = Cause(CauseKind.TIME, "clock", now, "nobody saw the SIM")
        hit = Hit(rule, {"silence": rule.rule.in_minutes})
        async with self._db.transaction() as connection:
            work = UnitOfWork(connection, now)
            await work.lock(imsis)
            if not await store.is_current(connection, rule):  # what was changed is looked at in the next round
                return
            since = {imsi: sim.seen.at for imsi, sim in work.sims.items() if sim.seen and sim.seen.at < before}
            fires = await store.note_silence(connection, rule.id, since) if since else set()
            for imsi in sorted(fires):
                work.decide(rules.decide(work.sims[imsi], hit, now, cause))
            tag = rule.rule.then.tag
            await store.tag(connection, [(imsi, tag) for imsi in sorted(fires)] if tag else [])
            outcome = await work.write()
        if fires:
            _log.info("rule fired", rule=rule.name, account=rule.account_id, sims=len(fires))
        self._committed(outcome)
