"""Working off operations: the parts in the buckets that this worker leases, in small batches, each one transaction.

A batch locks its part, or several small ones, then its SIMs; what becomes of the SIMs, of the items and of the place in
each part is committed together. So a crash, a take-over or two workers at once do no item twice and leave none out.
What an item's own values spoil is refused with the reason after it was tried alone.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
import structlog

from simwarden.domain.errors import (
    SimExists,
    StoreUnavailable,
    TryAgain,
)
from simwarden.domain.identifiers import BUCKETS
from simwarden.engine.bulk_batch import BulkBatch, refused, searches
from simwarden.engine.commands import catalogue
from simwarden.engine.pace import Pace
from simwarden.engine.unit_of_work import Outcome
from simwarden.kit.clock import now_utc
from simwarden.kit.worker import Worker
from simwarden.store import fleet
from simwarden.store import operations as store
from simwarden.store.database import is_refusal
from simwarden.store.operations import Settled, Todo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from simwarden.store.database import Database
    from simwarden.store.leases import Leases
    from simwarden.store.operations import Part, PartOfWork

CHANNEL = "simwarden_operation"
IDLE = 2.0
"""Seconds between two looks when nothing is to be done."""
TURNS = 16
"""Parts of one operation between two looks at what there is to do."""
UPKEEP = 600.0
FINISH_EVERY = 0.5
"""Seconds after which it is looked for operations that have come to their end, while others go on."""
REST = 1.0
"""Seconds until an operation that failed is tried again; the others go on."""
SEARCHED = 2_000
"""SIMs that are looked through for those of a filter at a time, as far as that is known: several buckets of a small
register, each of which would cost a transaction and a pause of its own."""
REGISTER_KNOWN = 60.0
"""Seconds for which it is taken for granted how many SIMs there are."""
COUNTED_FOR = 0.25
"""Seconds over which calls are counted."""
CONFIRM_WITHIN = timedelta(hours=1)
"""So long a preview can be confirmed."""
KEPT = timedelta(days=30)
"""So long finished operations and their results are kept."""
VAIN_KEPT = timedelta(days=1)
"""The same for operations that named only SIMs that there are not."""
_log = structlog.get_logger()


class BulkWorker(Worker):
    """The worker. `db`: best connections of its own; `committed` is called after each batch.

    `calls` counts the calls and reports that this process has answered so far: while there are any, the work gives way.
    """

    worker_name = "operations"

    def __init__(
        self,
        db: Database,
        leases: Leases,
        *,
        committed: Callable[[Outcome], None] = lambda _outcome: None,
        calls: Callable[[], int] = lambda: 0,
        pace: Pace | None = None,
        clock: Callable[[], datetime] = now_utc,
    ) -> None:
        super().__init__()
        self._db = db
        self._leases = leases
        self._committed = committed
        self._calls = calls
        self._pace = pace or Pace()
        self._clock = clock
        self._counted = (time.monotonic(), 0)
        self._beside = 0.0
        self._under_way: set[str] = set()
        self._resting: dict[str, float] = {}
        self._finished = float("-inf")
        self._kept_up = float("-inf")
        self._span = (float("-inf"), 1)

    async def stop(self) -> None:
        """Stop at once: what is under way is rolled back, and done by whoever takes over."""
        await super().stop()
        await self._leases.leave()

    async def turn(self) -> float:
        """One look; at once the next one when there was something to do."""
        return 0.0 if await self.look() else IDLE

    async def look(self) -> bool:
        """Do one batch of each operation that has something to do here; returns whether there was anything."""
        buckets = sorted(await self._leases.refresh())
        work = await store.open_work(self._db, buckets, TURNS) if buckets else []
        self._resting = {id_: until for id_, until in self._resting.items() if until > time.monotonic()}
        work = [each for each in work if each.operation_id not in self._resting]
        span = await self._buckets_at_once() if any(map(searches, work)) else 1
        for group in self._groups(work, span):
            if {each.bucket for each in group} <= self._leases.owned() and group[0].operation_id not in self._resting:
                await self._try(group)
            if self._woken.is_set():
                break  # something new has come: it gets its turn
        under_way = {each.operation_id for each in work}
        gone, self._under_way = self._under_way - under_way, under_way
        ended = False
        if self._leases.leaving:
            await self._leases.release(self._leases.leaving)
        if gone or not work or time.monotonic() - self._finished >= FINISH_EVERY:
            self._finished = time.monotonic()
            ended = await store.finish(self._db, self._clock(), CONFIRM_WITHIN) > 0
        if time.monotonic() - self._kept_up > UPKEEP and buckets:
            self._kept_up = time.monotonic()
            now = self._clock()
            await store.forget_old(self._db, now - KEPT, now - VAIN_KEPT, buckets)
        return bool(work) or ended

    async def _buckets_at_once(self) -> int:
        """How many buckets are searched at a time, by the number of SIMs that was counted last."""
        until, span = self._span
        if time.monotonic() >= until:
            sims = sum(each.count for each in (await fleet.read(self._db)).sims)
            span = max(1, min(BUCKETS, SEARCHED * BUCKETS // max(sims, 1)))
            self._span = time.monotonic() + REGISTER_KNOWN, span
        return span

    def _groups(self, work: Sequence[PartOfWork], span: int) -> Iterator[list[PartOfWork]]:
        """What goes into one batch each, the operations in turn: a part, or several that are done with in one go.

        `span`: of parts that are yet to be searched so many that follow each other.
        """
        waiting: dict[str, deque[PartOfWork]] = {}
        for each in work:
            waiting.setdefault(each.operation_id, deque()).append(each)
        while waiting:
            for operation_id, parts in list(waiting.items()):
                group = [parts.popleft()]
                if searches(group[0]):
                    while parts and len(group) < span and parts[0].bucket == group[-1].bucket + 1:
                        group.append(parts.popleft())
                else:
                    while parts and sum(p.left for p in group) + parts[0].left <= self._pace.size:
                        group.append(parts.popleft())
                if not parts:
                    del waiting[operation_id]
                yield group

    async def _try(self, group: list[PartOfWork]) -> None:
        """A batch. What goes wrong with one operation holds no other up. Raises StoreUnavailable."""
        operation_id = group[0].operation_id
        try:
            await self._batch(group)
        except TryAgain as error:
            _log.info("batch lost to another transaction, retrying", operation=operation_id, reason=str(error))
        except StoreUnavailable:
            raise
        except Exception:  # the boundary of one operation: the others go on
            _log.exception("operation failed, retrying", operation=operation_id, seconds=REST)
            self._resting[operation_id] = time.monotonic() + REST

    async def _batch(self, group: list[PartOfWork]) -> None:
        """One transaction, after the pause that is due."""
        await asyncio.sleep(self._pace.pause)
        began = time.monotonic()
        try:
            done = await self._transact(group, self._pace.size)
        except Exception as error:
            if not _is_poison(error):
                raise
            _log.info("batch refused, trying it in parts", operation=group[0].operation_id, reason=str(error))
            size = self._pace.size if len(group) > 1 else max(self._pace.size // 2, 1)
            done = sum([await self._apart(work, size) for work in group])
        self._pace.after(time.monotonic() - began, done, self._calls_a_second())

    def _calls_a_second(self) -> float:
        """How many calls this process answered a second lately."""
        now, (since, before) = time.monotonic(), self._counted
        if now - since >= COUNTED_FOR:
            calls = self._calls()
            self._beside = (calls - before) / (now - since)
            self._counted = now, calls
        return self._beside

    async def _apart(self, work: PartOfWork, size: int) -> int:
        """One part of a batch that was refused: ever fewer of its first items, until they can be done. One that cannot
        be done by itself is refused."""
        while True:
            try:
                return await self._transact([work], size)
            except Exception as error:
                if not _is_poison(error):
                    raise
                if size > 1:
                    size //= 2
                    continue
                _log.warning("item refused", operation=work.operation_id, reason=str(error))
                return await self._transact([work], 1, poison=error)

    async def _transact(self, group: Sequence[PartOfWork], size: int, poison: Exception | None = None) -> int:
        """Deal with up to `size` SIMs of each of some parts of one operation; returns how many."""
        work, outcome = group[0], Outcome()
        async with self._db.transaction() as connection:
            parts = await store.lock_parts(connection, [each.bucket for each in group], work.operation_id, work.state)
            if not parts:
                return 0
            action = catalogue.from_plain(work.action)
            batch = BulkBatch(connection, work, action, self._clock())
            results: list[Settled] = []
            if searches(work):
                moved, total = await batch.gather(parts, size)
            else:
                items = await store.next_items(connection, work.operation_id, parts, size)
                if poison is not None:
                    results = [refused(item, poison) for item in items]
                elif work.state == "PREVIEWING":
                    results = await batch.preview(items)
                else:
                    results, outcome = await batch.run(items)
                moved, total = _moved(parts, items, results, size), len(items)
            await store.settle(connection, work.operation_id, results, moved, self._clock())
        self._committed(outcome)
        return total


def _is_poison(error: Exception) -> bool:
    """Whether one item may be what a whole batch failed of: then ever fewer are tried."""
    return isinstance(error, SimExists) or is_refusal(error)


def _moved(
    parts: Mapping[int, Part], items: Sequence[Todo], results: Sequence[Settled], size: int
) -> dict[int, tuple[Part, bool]]:
    """The parts after these items, each with whether there may be more of it."""
    last = {item.bucket: item.n for item in items}
    met = Counter(item.bucket for item in items)
    became = Counter((each.bucket, each.status) for each in results)
    return {
        bucket: (
            msgspec.structs.replace(
                part,
                after_n=last.get(bucket, part.after_n),
                done=part.done + became[bucket, "DONE"],
                unchanged=part.unchanged + became[bucket, "UNCHANGED"],
                refused=part.refused + became[bucket, "REFUSED"],
            ),
            met[bucket] == size,
        )
        for bucket, part in parts.items()
    }
