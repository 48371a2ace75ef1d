"""What is kept of personal data: sealed if it came before it was, deleted when it is old. A bit at a time.

What else is old is deleted with it: what has expired of single APIs, counts and counters of days, and what rules
remember of SIMs. The usage ledger's days that are over are rolled up."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import TYPE_CHECKING

from simwarden.domain.allowance import month_of
from simwarden.domain.risk import MOST_MINUTES
from simwarden.kit.clock import now_utc
from simwarden.kit.worker import Worker
from simwarden.store import (
    counters,
    daily,
    hotzone_alerts,
    ledger,
    messages,
    personal,
    places,
    risk,
    sending,
    sessions,
    sim_names,
    smpp,
    volumes,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

SEALED_AT_ONCE = 200
DELETED_AT_ONCE = 1_000
_SPARE = timedelta(days=2)
_OPEN = timedelta(days=1)
"""A day is rolled up so long after its end, when hardly anybody counts for it any more. Who does is rolled up later."""
PAUSE = 0.1
"""Seconds between two bits of work."""
_WINDOW = timedelta(minutes=MOST_MINUTES) + timedelta(days=1)
"""What rules remember is kept at least for so long."""
EVERY = 600.0
"""Seconds between two looks when there was nothing to do."""


async def _nothing(_db: Database, _now: datetime) -> None:
    """Delete nothing."""


class Keeping(Worker):
    """Runs in every worker; rows that another one works on are stepped over."""

    worker_name = "records"

    def __init__(
        self,
        db: Database,
        vault: Vault,
        kept: timedelta,
        places_kept: timedelta | None = None,
        traffic_kept: timedelta = timedelta(days=400),
        *,
        expired: Callable[[Database, datetime], Awaitable[None]] = _nothing,
        clock: Callable[[], datetime] = now_utc,
    ) -> None:
        """Messages, calls, sessions and unreadable bodies are deleted when they are older than `kept`, places and cells
        of SIMs when they are older than `places_kept` (None: `kept`), counts and counters of days and volumes of data
        after `traffic_kept`, volumes of the running month never. `expired` deletes what else has expired at a time."""
        super().__init__()
        self._db = db
        self._pruning = personal.Pruning(db)
        self._vault = vault
        self._kept = kept
        self._places_kept = kept if places_kept is None else places_kept
        self._traffic_kept = traffic_kept
        self._expired = expired
        self._clock = clock

    async def step(self) -> bool:
        """Do a bit of it; returns whether there may be more. Raises StoreUnavailable."""
        sealed = await personal.seal_some(self._db, self._vault, SEALED_AT_ONCE)
        deleted = await self._pruning.step(self._clock() - self._kept, DELETED_AT_ONCE)
        names = await sim_names.forget_imsi_names(self._db, DELETED_AT_ONCE)
        return sealed > 0 or deleted > 0 or names > 0

    async def turn(self) -> float:
        """A bit of it; returns the seconds until the next."""
        if await self.step():
            return PAUSE
        await self._expired(self._db, self._clock())
        await sessions.prune(self._db, self._clock() - self._kept)
        await places.prune(self._db, self._clock() - self._places_kept, DELETED_AT_ONCE)
        await sending.prune(self._db, self._clock() - self._kept, DELETED_AT_ONCE)
        await messages.prune(self._db, self._clock() - self._kept, DELETED_AT_ONCE)
        await smpp.forget(self._db, self._clock(), self._kept)
        today = self._clock().astimezone(UTC).date()
        await ledger.roll_up(self._db, today - _OPEN)
        await ledger.forget_ends(self._db, today.replace(month=1, day=1))
        first_day = (self._clock() - self._traffic_kept).date()
        await daily.prune(self._db, first_day, DELETED_AT_ONCE)
        await counters.prune(self._db, first_day, DELETED_AT_ONCE)
        volumes_since = min(self._clock() - self._traffic_kept, month_of(self._clock()))  # allowances are of months
        await volumes.prune(self._db, volumes_since, DELETED_AT_ONCE)
        await risk.prune(self._db, (self._clock() - max(self._kept, _WINDOW)).date(), DELETED_AT_ONCE)
        # As long as a record of that day may still come and be counted.
        await hotzone_alerts.prune(self._db, (self._clock() - self._kept - _SPARE).date(), DELETED_AT_ONCE)
        return EVERY
