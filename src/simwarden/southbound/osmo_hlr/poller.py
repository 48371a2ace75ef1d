"""Asking HLRs for their subscribers: one after the other of the registered SIMs, so many a second and no more.

One worker process of an installation does it. What was asked is reported before the next is; a round begins anew
after a restart.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import TYPE_CHECKING

import msgspec
import structlog

from simwarden.domain.attachment import backoff
from simwarden.domain.errors import SimwardenError, StoreUnavailable
from simwarden.kit.worker import SoleWorker
from simwarden.store import sims_by_imsi
from simwarden.store.leases import Leases
from simwarden.store.sims import Sims

if TYPE_CHECKING:
    from collections.abc import Callable

    from simwarden.southbound.osmo_hlr.driver import OsmoHlrDriver
    from simwarden.southbound.osmo_hlr.settings import OsmoHlrSettings
    from simwarden.southbound.source import SourceServices
    from simwarden.store.gateways import CommandAccess

KIND = "osmo_hlr"
FIRST = (-1, "")
"""Before any SIM."""
STEP = 0.5
"""Seconds between two questions to an HLR."""
_log = structlog.get_logger()


class _Round(msgspec.Struct):
    """How far an HLR has been asked."""

    after: tuple[int, str] = FIRST
    """Bucket and IMSI of the SIM that was asked for last."""
    began: float = 0.0
    failures: int = 0
    due: float = 0.0


class Poller(SoleWorker):
    """`driver(access)` asks one HLR. `monotonic`: seconds."""

    worker_name = "osmo-hlr"

    def __init__(
        self,
        services: SourceServices,
        settings: OsmoHlrSettings,
        driver: Callable[[CommandAccess], OsmoHlrDriver],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(Leases(services.db, "osmo_hlr", f"osmo-hlr-{uuid.uuid4().hex}", shares=1))
        self._services = services
        self._page = max(int(settings.osmo_hlr_poll_rate * STEP), 1)
        self._batch = settings.osmo_hlr_batch
        self._pause = settings.osmo_hlr_poll_seconds
        self._driver = driver
        self._monotonic = monotonic
        self._sims = Sims(services.db)
        self._rounds: dict[int, _Round] = {}

    async def look(self) -> float:
        """Ask each HLR that is due for its next page; returns the seconds until one is. Raises StoreUnavailable."""
        await self.ask_all(self._monotonic())
        now = self._monotonic()
        return min((max(each.due - now, 0.01) for each in self._rounds.values()), default=5.0)

    async def ask_all(self, due_at: float = float("inf")) -> None:
        """Ask each HLR that is due by then for its next page. Raises StoreUnavailable."""
        elements = {each.id: each for each in await self._services.elements.of_kind(KIND)}
        self._rounds = {id_: self._rounds.get(id_) or _Round() for id_ in elements}
        due = [id_ for id_, each in self._rounds.items() if each.due <= due_at]
        await asyncio.gather(*(self._ask(elements[id_], self._rounds[id_]) for id_ in due))

    async def _ask(self, access: CommandAccess, state: _Round) -> None:
        began = self._monotonic()
        if state.after == FIRST:
            state.began = began
        page = await self._next(access, state.after)
        try:
            await self._poll(self._driver(access), [imsi for _, imsi in page])
        except StoreUnavailable:
            raise
        except (SimwardenError, ValueError) as error:
            state.failures += 1
            wait = backoff(state.failures).total_seconds()
            state.due = self._monotonic() + wait
            self._services.counted("unanswered", "poll")
            if state.failures == 1:
                _log.warning("an HLR does not tell its subscribers", element=access.name, reason=str(error))
            return
        if state.failures:
            _log.info("an HLR tells its subscribers again", element=access.name)
        state.failures = 0
        if len(page) == self._page:
            state.after, state.due = page[-1], began + STEP
        else:
            state.after, state.due = FIRST, max(state.began + self._pause, began + STEP)

    async def _next(self, access: CommandAccess, after: tuple[int, str]) -> list[tuple[int, str]]:
        """The next SIMs: all, or those of the account that the HLR is pinned to."""
        if access.account_id is None:
            return await sims_by_imsi.walk(self._services.db, after, self._page)
        found = await self._sims.page(account_id=access.account_id, after=after[1], limit=self._page)
        return [(sim.bucket, sim.imsi) for sim in found]

    async def _poll(self, driver: OsmoHlrDriver, imsis: list[str]) -> None:
        """An HLR that has none of these SIMs is heard all the same: it is not silent."""
        if not imsis:
            await driver.subscribers([])
        notes = []
        for begin in range(0, len(imsis), self._batch):
            found = await driver.subscribers(imsis[begin : begin + self._batch])
            notes += [driver.note(imsi, each) for imsi, each in found.items() if each is not None]
        self._services.counted("answered", "poll")
        await self._services.ingest.submit(driver.report("poll", notes))
