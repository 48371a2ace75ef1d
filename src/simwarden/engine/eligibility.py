"""Answers of whether SIMs are eligible, kept for a while under an id that later calls may name.

Such a call is held against the answer once, before it is carried out: it must be of the same application, need a scope
for which the SIM was eligible, and be about that SIM, to which nothing may have happened since (`domain.eligibility`).
Nothing is written when a SIM changes: an answer knows the number of the SIM's newest event, and who uses it looks for
newer ones. An answer is stored behind the call (decision 0066).
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import structlog

from simwarden.domain.eligibility import NotEligible, TooManyResponses
from simwarden.domain.sim import IdentifierKind, SimRef
from simwarden.kit.batcher import Batcher
from simwarden.kit.clock import now_utc
from simwarden.kit.ids import uuid4_text
from simwarden.store import eligibility as store
from simwarden.store.coalesce import Coalescer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from uuid import UUID

    from simwarden.domain.sim import Sim
    from simwarden.store.database import Database

RECOUNT_AFTER = timedelta(seconds=5)
"""So long those are refused at most whose account has no room left, until it is looked at again."""
GATHER = 0.005
"""Seconds in which answers are gathered before they are stored."""
MOST_WAITING = 5_000
"""When so many answers are to be stored, the next are waited for."""
LOOK_AGAIN = (0.02, 0.2)
"""Seconds after which an answer that is not found is looked for again: another process may be storing it."""
_AT_ONCE = 500
_log = structlog.get_logger()


class KeptEligibility(msgspec.Struct, frozen=True):
    """An answer that was kept."""

    id: str
    """A UUID version 4, the first byte of which is the SIM's bucket."""
    expires_at: datetime
    ttl: int
    """Seconds."""


class _Room(msgspec.Struct):
    """What is known of an account's answers."""

    counted_at: datetime
    used: int
    """As counted then, and what was kept here since."""
    fresh: int = 0
    """What was kept here since."""


class _Writer(Batcher[store.StoredEligibility, None]):
    batcher_name = "eligibility"
    gather = GATHER

    def __init__(self, db: Database) -> None:
        super().__init__(most=_AT_ONCE)
        self._db = db
        self.works = False
        """The last answers were stored. If not, those that come are waited for."""
        self.under_way: dict[str, asyncio.Future[None]] = {}
        """By id, what is stored behind the calls."""

    async def write(self, items: Sequence[store.StoredEligibility]) -> Sequence[None]:
        try:
            await store.insert(self._db, items)
        except Exception as error:
            if self.works:
                _log.warning("eligibility responses not stored", responses=len(items), reason=str(error))
            self.works = False
            raise
        finally:
            for item in items:
                self.under_way.pop(item.id, None)
        self.works = True
        return [None] * len(items)


class Eligibility:
    """The answers that are kept. `keep` and `covered` may raise StoreUnavailable."""

    def __init__(
        self,
        db: Database,
        *,
        seconds: int = 3600,
        per_account: int = 1_000_000,
        registered: bool = True,
        clock: Callable[[], datetime] = now_utc,
    ) -> None:
        """`seconds`: how long an answer holds. `per_account`: answers that an account may have; with several processes
        it may have a tenth more for each. `registered`: its SIMs are in the register; those of the sandbox are not.
        """
        self._db = db
        self._seconds = seconds
        self._held_for = timedelta(seconds=seconds)
        self._most = per_account
        self._registered = registered
        self._clock = clock
        self._rooms: dict[str, _Room] = {}
        self._writer = _Writer(db)
        self._counts: Coalescer[str, int] = Coalescer(self._count)
        self._lookups: Coalescer[UUID, store.FoundResponse] = Coalescer(self._find)

    async def keep(self, app_key: str, sim: Sim, number: str, scopes: Collection[str]) -> KeptEligibility:
        """Keep for which scopes a SIM was found eligible, as it was read. Raises TooManyResponses."""
        now = self._clock()
        if not self._has_room(sim.account_id):
            await self._look_for_room(sim.account_id, now)
        made = f"{sim.bucket:02x}{uuid4_text()[2:]}"
        expires_at = now + self._held_for
        row = store.StoredEligibility(
            made, sim.bucket, sim.imsi, sim.account_id, app_key, number, tuple(scopes), sim.event_count, expires_at
        )
        stored = self._writer.enqueue(row)
        if self._writer.works and self._writer.waiting < MOST_WAITING:
            self._writer.under_way[made] = stored
        else:
            await stored
        return KeptEligibility(made, expires_at, self._seconds)

    async def covered(self, id: UUID, app_key: str, scopes: Collection[str]) -> frozenset[SimRef]:  # noqa: A002
        """The names of the SIM that an application may call about, with any of `scopes`, by this answer.

        Raises NotEligible.
        """
        found = await self._stored(id, app_key)
        number = SimRef(IdentifierKind.MSISDN, found.number)
        names = found.names if self._registered else frozenset({number})
        if found.ended or number not in names:
            raise NotEligible("The subscription has changed since its eligibility was checked: check it again")
        if found.scopes.isdisjoint(scopes):
            raise NotEligible("The scope of this operation was not checked, or the subscription is not eligible for it")
        return names

    async def drain(self) -> None:
        """Wait until the answers that were given are stored."""
        await self._writer.drain()

    async def _stored(self, id: UUID, app_key: str) -> store.FoundResponse:  # noqa: A002
        """An application's answer. Raises NotEligible."""
        under_way = self._writer.under_way.get(str(id))
        if under_way is not None:
            await asyncio.wait([under_way])
        for wait in (0.0, *LOOK_AGAIN):
            if wait:
                await asyncio.sleep(wait)
            found = await self._lookups.get(id)
            if found is not None and found.app_key == app_key:
                return found
        raise NotEligible("The eligibility response does not exist, or has expired: check the eligibility again")

    def _has_room(self, account_id: str) -> bool:
        """Take room for one more answer, where it is known that there is."""
        room = self._rooms.get(account_id)
        if room is None or room.fresh > self._most // 10 or room.used >= self._most:
            return False
        room.used += 1
        room.fresh += 1
        return True

    async def _look_for_room(self, account_id: str, now: datetime) -> None:
        """Take room for one more answer. Raises TooManyResponses."""
        room = self._rooms.get(account_id)
        if room is None or room.fresh > self._most // 10 or not timedelta(0) <= now - room.counted_at < RECOUNT_AFTER:
            if self._writer.under_way:  # what is not stored is not counted
                await asyncio.wait(list(self._writer.under_way.values()))
            used, before = await self._counts.get(account_id), room
            room = self._rooms.get(account_id)
            if room is None or room is before:  # nobody else who counted was quicker
                room = self._rooms[account_id] = _Room(now, used or 0)
        if room.used >= self._most:
            raise TooManyResponses(
                f"An account may have {self._most} eligibility responses that have not expired"
                " (eligibility_responses_per_account)"
            )
        room.used += 1
        room.fresh += 1

    async def _count(self, account_ids: Sequence[str]) -> Mapping[str, int]:
        return await store.count(self._db, account_ids, self._clock())

    async def _find(self, ids: Sequence[UUID]) -> Mapping[UUID, store.FoundResponse]:
        return await store.find(self._db, ids, self._clock())
