"""Deletes what the authorization server needs no more: used assertions, codes, requests, revocations of old tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.kit.clock import now_utc
from simwarden.kit.worker import Worker
from simwarden.store import revocations
from simwarden.store.authorizations import Authorizations
from simwarden.store.clients import UsedOnce

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from simwarden.store.database import Database

EVERY = 60.0
"""Seconds."""


class Forgetting(Worker):
    """Runs in every worker process; what another one deletes is not there any more."""

    worker_name = "authorizations"

    def __init__(self, db: Database, *, clock: Callable[[], datetime] = now_utc) -> None:
        super().__init__()
        self._db = db
        self._clock = clock

    async def turn(self) -> float:
        """Delete what has expired. Raises StoreUnavailable."""
        now = self._clock()
        await revocations.forget(self._db, now)
        await UsedOnce(self._db).forget(now)
        await Authorizations(self._db).forget(now)
        return EVERY
