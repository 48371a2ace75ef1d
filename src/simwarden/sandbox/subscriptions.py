"""Subscriptions to virtual SIMs: real ones, delivered like any other, about changes that are only played.

When a subscription is made its changes are written down with their times, in the same transaction; `Player` puts them
into its lane when they are due. From there on all is as with a real SIM.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import asyncpg

from simwarden.domain.errors import StoreUnavailable
from simwarden.engine.ports import now_utc
from simwarden.engine.subscriptions import Subscriptions
from simwarden.notify.kept import kept
from simwarden.sandbox import rules
from simwarden.store import sandbox as store

if TYPE_CHECKING:
    from simwarden.engine.subscriptions import NewSubscription
    from simwarden.store.database import Database
    from simwarden.store.subscriptions import Lane
    from simwarden.store.vault import Vault

POLL = 5.0
"""Longest time between two looks: for what another process, gone since, had written down."""


class SandboxSubscriptions(Subscriptions):
    """SubscriptionBook of the sandbox."""

    def __init__(self, player: Player, db: Database, vault: Vault, **options: Any) -> None:
        """`player` plays what is written down; the rest is as for live subscriptions."""
        super().__init__(db, vault, **options)
        self._player = player

    async def _device(self, connection: asyncpg.Connection, new: NewSubscription) -> tuple[str | None, int]:
        del connection
        return None if new.sim.seen is None else new.sim.seen.imei, 0

    async def _begun(self, connection: asyncpg.Connection, new: NewSubscription, lane: Lane) -> None:
        now = self._clock()
        # What a virtual SIM is called by stands at the end of its IMSI.
        changes = rules.kind_of(new.sim.imsi).changes
        await store.write_down(connection, lane.bucket, lane.id, [(now + one.after, one.imei) for one in changes])
        self._player.wake()


class Player:
    """Plays what was written down. Any number of them may run: each change is played by one."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(kept("sandbox", self._run))

    async def stop(self) -> None:
        """Stop; what is written down is played when somebody starts again."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def wake(self) -> None:
        """Something was written down."""
        self._woken.set()

    async def _run(self) -> None:
        while True:
            self._woken.clear()
            wait = 1.0
            with contextlib.suppress(StoreUnavailable, asyncpg.PostgresError):
                await store.play(self._db, now_utc())
                due = await store.next_due(self._db)
                wait = POLL if due is None else min(max(due, 0.02), POLL)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._woken.wait()
            if self._woken.is_set():
                await asyncio.sleep(0.05)  # it is woken before the transaction commits
