"""Asking gateways for their status because something that they reported is doubted.

What is to be asked stands in the database, written with the doubt (engine/doubts.py), so a restart forgets nothing and
any worker may ask. One asks at a time: a claim that runs out if its worker dies.
"""

from __future__ import annotations

import asyncio
import contextlib
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from simwarden.domain.attachment import backoff
from simwarden.domain.errors import GatewayNotFound, SimwardenError, StoreUnavailable
from simwarden.kit.clock import now_utc
from simwarden.kit.worker import Worker
from simwarden.store import doubts as store

if TYPE_CHECKING:
    from collections.abc import Callable

    from simwarden.engine.ingest import Ingest
    from simwarden.engine.ports import DriverFactory
    from simwarden.store.database import Database
    from simwarden.store.doubts import DuePoll
    from simwarden.store.gateways import Gateways

_log = structlog.get_logger()
AT_ONCE = 64
"""Gateways that one worker asks at the same time: a dead one holds a place for the time limit of a command only."""
CLAIM = timedelta(seconds=15)
"""How long a worker may ask before another one does: longer than a command may take by default, and short enough that a
card that came home does not wait long for its proof when the worker dies or the database is away."""
IDLE = 5.0
"""Seconds between two looks when nobody wakes it."""
TRIES = 10
"""A gateway that does not answer is asked so often, after 1, 2, 4 ... 60 s; then its doubts are UNANSWERED."""


class Polls(Worker):
    """The worker. `observed(result)` is called for every question: answered, unanswered."""

    worker_name = "polls"

    def __init__(
        self,
        db: Database,
        gateways: Gateways,
        ingest: Ingest,
        driver_for: DriverFactory,
        *,
        observed: Callable[[str], None] = lambda _result: None,
        clock: Callable[[], datetime] = now_utc,
    ) -> None:
        super().__init__()
        self._db = db
        self._gateways = gateways
        self._ingest = ingest
        self._driver_for = driver_for
        self._observed = observed
        self._clock = clock
        self._asking: set[asyncio.Task[None]] = set()

    async def stop(self) -> None:
        """Stop at once: what is under way is asked again by whoever takes over."""
        await super().stop()
        for task in self._asking:
            task.cancel()
        await asyncio.gather(*self._asking, return_exceptions=True)

    async def turn(self) -> float:
        """Begin what is due; returns the seconds until more is."""
        await self.look()
        upcoming = await store.next_due(self._db)
        return IDLE if upcoming is None else min(IDLE, max((upcoming - self._clock()).total_seconds(), 0.05))

    async def look(self) -> int:
        """Begin to ask every gateway that is to be asked now; returns how many."""
        room = AT_ONCE - len(self._asking)
        due = await store.claim(self._db, self._clock(), CLAIM, room) if room else []
        for poll in due:
            task = asyncio.create_task(self._ask(poll), name=f"poll-{poll.gateway_id}")
            self._asking.add(task)
            task.add_done_callback(self._asked)
        return len(due)

    async def finish(self) -> None:
        """Wait until all that are being asked have answered."""
        while self._asking:
            await asyncio.wait(self._asking)

    def _asked(self, task: asyncio.Task[None]) -> None:
        self._asking.discard(task)
        if len(self._asking) == AT_ONCE - 1:
            self.wake()

    async def _ask(self, poll: DuePoll) -> None:
        try:
            access = await self._gateways.access(poll.gateway_id)
            driver = self._driver_for(access)
            report = await driver.observe()
            if report is None:  # this kind cannot be asked: its next report says more
                await store.unanswered(self._db, poll.gateway_id, self._clock(), None)
                return
            await self._ingest.submit(report)
            if driver.generation is not None and driver.generation != access.generation:
                await self._gateways.remember_generation(access.id, driver.generation)
        except GatewayNotFound:
            with contextlib.suppress(StoreUnavailable):
                await store.forget(self._db, poll.gateway_id)
        except StoreUnavailable as error:
            _log.warning("a status that was asked for could not be stored", gateway=poll.gateway_id, reason=str(error))
        except (SimwardenError, ValueError) as error:
            self._observed("unanswered")
            _log.warning("a gateway did not tell its status", gateway=poll.gateway_id, reason=str(error))
            await self._unanswered(poll)
        except Exception:  # the boundary of one gateway
            _log.exception("asking a gateway for its status failed", gateway=poll.gateway_id)
            await self._unanswered(poll)
        else:
            self._observed("answered")

    async def _unanswered(self, poll: DuePoll) -> None:
        tries, now = poll.attempts + 1, self._clock()
        with contextlib.suppress(StoreUnavailable):  # then the claim runs out, and it is asked again
            await store.unanswered(self._db, poll.gateway_id, now, now + backoff(tries) if tries < TRIES else None)
