"""Working off operations: the parts in the buckets that this worker leases, in small batches, each one transaction.

A batch locks its part, or several small ones, then its SIMs; what becomes of the SIMs, of the items and of the place in
each part is committed together. So a crash, a take-over or two workers at once do no item twice and leave none out.
What an item's own values spoil is refused with the reason after it was tried alone.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec
import structlog

from simwarden.domain import rules
from simwarden.domain.errors import (
    InvalidIdentifier,
    SimExists,
    SimNotFound,
    SimwardenError,
    StoreUnavailable,
    TryAgain,
)
from simwarden.domain.identifiers import parse_imei
from simwarden.domain.numbering import OutsideRanges
from simwarden.domain.sim import IdentifierKind, Lifecycle, SimRef
from simwarden.engine import areas, provision
from simwarden.engine.commands import catalogue
from simwarden.engine.commands.catalogue import Add
from simwarden.engine.commands.command import SimCommand, execute
from simwarden.engine.pace import Pace
from simwarden.engine.unit_of_work import Outcome
from simwarden.kit.clock import now_utc
from simwarden.kit.worker import Worker
from simwarden.store import listing, ranges, usage
from simwarden.store import operations as store
from simwarden.store.database import is_refusal
from simwarden.store.listing import SimFilter
from simwarden.store.operations import NewItem, Settled, Todo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from simwarden.domain.command import Command
    from simwarden.domain.sim import Sim
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
        for group in self._groups(work):
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

    def _groups(self, work: Sequence[PartOfWork]) -> Iterator[list[PartOfWork]]:
        """What goes into one batch each, the operations in turn: a part, or several that are done with in one go."""
        waiting: dict[str, deque[PartOfWork]] = {}
        for each in work:
            waiting.setdefault(each.operation_id, deque()).append(each)
        while waiting:
            for operation_id, parts in list(waiting.items()):
                group = [parts.popleft()]
                while (
                    parts and not _searches(group[0]) and sum(p.left for p in group) + parts[0].left <= self._pace.size
                ):
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
            batch = _Batch(connection, work, action, self._clock())
            results: list[Settled] = []
            if _searches(work):
                part, total = await batch.gather(parts[work.bucket], size)
                moved = {work.bucket: (part, total == size)}
            else:
                items = await store.next_items(connection, work.operation_id, parts, size)
                if poison is not None:
                    results = [_refused(item, poison) for item in items]
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


def _searches(work: PartOfWork) -> bool:
    """Whether the SIMs of this part are yet to be found, by the filter."""
    return work.state == "PREVIEWING" and work.filter is not None


class _Batch:
    """Some SIMs of an operation, within one transaction. `work`: the part, or one of them."""

    def __init__(self, connection: asyncpg.Connection, work: PartOfWork, action: Command, now: datetime) -> None:
        self._connection = connection
        self._work = work
        self._action = action
        self._now = now
        self._cause = msgspec.structs.replace(work.cause, at=now)

    async def gather(self, part: Part, size: int) -> tuple[Part, int]:
        """Find the next SIMs of the filter, look at each, and write them down as items."""
        work = self._work
        wanted = msgspec.convert(work.filter, SimFilter)
        if work.account_id is not None:
            wanted = msgspec.structs.replace(wanted, account=work.account_id)
        found = await listing.sims(
            self._connection, wanted, after=(work.bucket, part.after_imsi), bucket=work.bucket, limit=size
        )
        items = []
        commands = await areas.completed(self._connection, [(each.sim, self._action) for each in found], self._now)
        for number, (each, command) in enumerate(zip(found, commands, strict=True), part.items + 1):
            result = self._look_at(Todo(work.bucket, number, each.sim.imsi, None), each.sim, command)
            given = {"imsi": each.sim.imsi}
            items.append(
                NewItem(number, given, work.bucket, each.sim.imsi, None, result.status, result.code, result.reason)
            )
        if items:
            await store.insert_items(self._connection, work.operation_id, items, self._now)
        unchanged = sum(item.status == "UNCHANGED" for item in items)
        refused = sum(item.status == "REFUSED" for item in items)
        moved = msgspec.structs.replace(
            part,
            after_imsi=found[-1].sim.imsi if found else part.after_imsi,
            items=part.items + len(items),
            unchanged=part.unchanged + unchanged,
            refused=part.refused + refused,
        )
        return moved, len(found)

    async def preview(self, items: Sequence[Todo]) -> list[Settled]:
        """Which of the items would not change or cannot, and why. Nothing is locked, nothing changes."""
        sims = await store.read_sims(self._connection, [(item.bucket, item.imsi) for item in items])
        wanted = [(sims.get(item.imsi), catalogue.for_item(self._action, item.data)) for item in items]
        commands = await areas.completed(self._connection, wanted, self._now)
        looked = [
            self._look_at(item, sims.get(item.imsi), command) for item, command in zip(items, commands, strict=True)
        ]
        return [each for each in looked if each.status != "REQUESTED" or each.reason]

    def _look_at(self, item: Todo, sim: Sim | None, command: Command) -> Settled:
        try:
            if sim is None or self._work.account_id not in (None, sim.account_id):
                raise SimNotFound
            decision = rules.decide(sim, command, self._now, self._cause)
        except SimwardenError as error:
            return Settled(item.bucket, item.n, *catalogue.refusal_of(error))
        return Settled(item.bucket, item.n, "REQUESTED", reason=catalogue.remark(command, sim, decision))

    async def run(self, items: Sequence[Todo]) -> tuple[list[Settled], Outcome]:
        """Do it."""
        if not items:
            return [], Outcome()
        if isinstance(self._action, Add):
            return await self._add(items), Outcome()
        work = self._work
        wanted = [
            (
                item.imsi,
                SimCommand(
                    SimRef(IdentifierKind.IMSI, item.imsi),
                    catalogue.for_item(self._action, item.data),
                    self._cause,
                    work.account_id,
                    work.usage,
                ),
            )
            for item in items
        ]
        found, outcome = await execute(self._connection, wanted, self._now)
        results = []
        for item, each in zip(items, found, strict=True):
            if isinstance(each, SimwardenError):
                results.append(Settled(item.bucket, item.n, *catalogue.refusal_of(each)))
            else:
                results.append(Settled(item.bucket, item.n, "DONE"))
        return results, outcome

    async def _add(self, items: Sequence[Todo]) -> list[Settled]:
        account_id = self._work.account_id
        assert account_id is not None, "SIMs are added to an account"
        rows, results = [], []
        # What lies outside is refused before the register is looked at: whether it is somebody's does not show.
        book = await ranges.keep(self._connection, account_id)
        for place, item in enumerate(items):
            try:
                row = _row(place, account_id, item.data or {})
                if book.outside(account_id, row.names):
                    raise OutsideRanges
                rows.append(row)
            except (InvalidIdentifier, OutsideRanges) as error:
                results.append(_refused(item, error))
        bad = await provision.insert(self._connection, account_id, rows, self._cause)
        reasons = {row.line: row.reason for row in bad}
        added: Counter[int] = Counter()
        for row in rows:
            item, taken = items[row.line], reasons.get(row.line)
            results.append(_refused(item, SimExists(taken)) if taken else Settled(item.bucket, item.n, "DONE"))
            added[item.bucket] += not taken
        if self._work.usage is not None:
            day = self._now.astimezone(UTC).date()
            counts = {(day, bucket, self._work.usage): count for bucket, count in sorted(added.items()) if count}
            if counts:
                await usage.count(self._connection, counts)
        return results


def _row(n: int, account_id: str, data: dict[str, Any]) -> provision.NewSim:
    """A SIM to be added. Raises InvalidIdentifier."""
    names = {name: data[name] for name in ("imsi", "iccid", "msisdn", "nai") if name in data}
    imei = data.get("imei")
    if imei:
        parse_imei(imei)
    sim = provision.new_sim(account_id, lifecycle=Lifecycle(data.get("lifecycle", "PRE_ACTIVE")), **names)
    return provision.NewSim(n, sim, imei)


def _refused(item: Todo, error: Exception) -> Settled:
    if isinstance(error, SimwardenError):
        return Settled(item.bucket, item.n, *catalogue.refusal_of(error))
    reason = "This item cannot be done. Tell the operator of this server."
    return Settled(item.bucket, item.n, "REFUSED", SimwardenError.code, reason)


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
