"""What is kept of personal data: sealed if it came before it was, deleted when it is old. A bit at a time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg
import structlog

from simwarden.domain.errors import SimwardenError
from simwarden.engine.ports import now_utc
from simwarden.store import personal

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta

    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

_log = structlog.get_logger()
SEALED_AT_ONCE = 200
DELETED_AT_ONCE = 1_000
PAUSE = 0.1
"""Seconds between two bits of work."""
EVERY = 600.0
"""Seconds between two looks when there was nothing to do."""


class Keeping:
    """Runs in every worker; rows that another one works on are stepped over."""

    def __init__(self, db: Database, vault: Vault, kept: timedelta, *, clock: Callable[[], datetime] = now_utc) -> None:
        """Messages, calls and unreadable bodies are deleted when they are older than `kept`."""
        self._db = db
        self._vault = vault
        self._kept = kept
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name="keeping")

    async def stop(self) -> None:
        """Stop; what is left is done after the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def step(self) -> bool:
        """Do a bit of it; returns whether there may be more. Raises StoreUnavailable."""
        sealed = await personal.seal_some(self._db, self._vault, SEALED_AT_ONCE)
        deleted = await personal.prune(self._db, self._clock() - self._kept, DELETED_AT_ONCE)
        return sealed > 0 or deleted > 0

    async def _run(self) -> None:
        while True:
            more = False
            try:
                more = await self.step()
            except (SimwardenError, asyncpg.PostgresError) as error:
                _log.warning("old records are sealed and deleted later", reason=str(error))
            await asyncio.sleep(PAUSE if more else EVERY)
