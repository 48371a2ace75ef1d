"""Working off operations: the parts in the buckets that this worker leases, in small batches, each one transaction.

A batch locks its part, then its SIMs; what becomes of the SIMs, of the items and of the place in the part is committed
together. So a crash, a take-over or two workers at once do no item twice and leave none out. What an item's own values
spoil is refused with the reason after it was tried alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec
import structlog

from simwarden.domain.errors import InvalidIdentifier, SimExists, SimNotFound, SimwardenError, StoreUnavailable
from simwarden.domain.identifiers import parse_imei
from simwarden.domain.sim import Lifecycle
from simwarden.engine import actions, orders, provision
from simwarden.engine.actions import Add
from simwarden.engine.changes import Outcome
from simwarden.engine.orders import Order
from simwarden.engine.pace import Pace
from simwarden.engine.ports import now_utc
from simwarden.store import listing, usage
from simwarden.store import operations as store
from simwarden.store.database import TryAgain
from simwarden.store.listing import SimFilter
from simwarden.store.operations import NewItem, Settled

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from simwarden.domain.sim import Sim
    from simwarden.engine.actions import Action
    from simwarden.store.database import Database
    from simwarden.store.leases import Leases
    from simwarden.store.operations import Part, Work

CHANNEL = "simwarden_operation"
IDLE = 2.0
"""Seconds between two looks when nothing is to be done."""
PAUSE = 1.0
"""Seconds to wait after a trouble."""
TURNS = 8
"""Parts of one operation between two looks at what there is to do."""
UPKEEP = 600.0
FINISH_EVERY = 0.5
"""Seconds after which it is looked for operations that have come to their end, while others go on."""
REST = 1.0
"""Seconds for which an operation that stumbles is left alone; the others go on."""
COUNTED_FOR = 0.25
"""Seconds over which calls are counted."""
CONFIRM_WITHIN = timedelta(hours=1)
"""So long a preview can be confirmed."""
KEPT = timedelta(days=30)
"""So long finished operations and their results are kept."""
_SPOILT = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, UnicodeError, OverflowError, SimExists)
"""What one item may cause to go wrong for a whole batch: then each is tried for itself."""
_log = structlog.get_logger()
Numbered = tuple[int, str, dict[str, Any] | None]


class Operate:
    """The worker. `db`: best connections of its own; `committed` is called after each batch.

    `calls` counts the calls and reports that this process has answered so far: while there are any, the work gives way.
    """

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
        self._db = db
        self._leases = leases
        self._committed = committed
        self._calls = calls
        self._pace = pace or Pace()
        self._clock = clock
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._counted = (time.monotonic(), 0)
        self._beside = 0.0
        self._under_way: set[str] = set()
        self._resting: dict[str, float] = {}
        self._finished = float("-inf")
        self._kept_up = float("-inf")

    async def start(self) -> None:
        """Begin to work."""
        self._task = asyncio.create_task(self._run(), name="operate")

    async def stop(self) -> None:
        """Stop at once: what is under way is rolled back, and done by whoever takes over."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        with contextlib.suppress(StoreUnavailable, asyncpg.PostgresError):
            await self._leases.close()

    def wake(self) -> None:
        """There is something to do."""
        self._wake.set()

    async def _run(self) -> None:
        troubled = False
        while True:
            self._wake.clear()
            pause = IDLE
            try:
                if await self.look():
                    continue
                troubled = False
            except StoreUnavailable as error:
                if not troubled:
                    _log.warning("operations wait for the database", reason=str(error))
                troubled, pause = True, PAUSE
            except Exception:  # the boundary: whatever it was, the work goes on
                _log.exception("operations stumbled and go on")
                pause = PAUSE
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()

    async def look(self) -> bool:
        """Do one batch of each operation that has something to do here; returns whether there was anything."""
        buckets = sorted(await self._leases.refresh())
        work = await store.open_work(self._db, buckets, TURNS) if buckets else []
        self._resting = {id_: until for id_, until in self._resting.items() if until > time.monotonic()}
        work = [each for each in work if each.operation_id not in self._resting]
        for each in work:
            if each.bucket in self._leases.owned() and each.operation_id not in self._resting:
                await self._try(each)
            if self._wake.is_set():
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
            await store.forget_old(self._db, self._clock() - KEPT, buckets)
        return bool(work) or ended

    async def _try(self, work: Work) -> None:
        """A batch. What goes wrong with one operation holds no other up. Raises StoreUnavailable."""
        try:
            await self._batch(work)
        except TryAgain as error:
            _log.info("a batch is done again", operation=work.operation_id, reason=str(error))
        except StoreUnavailable:
            raise
        except Exception:  # the boundary of one operation: the others go on
            _log.exception("an operation stumbled and is left alone for a while", operation=work.operation_id)
            self._resting[work.operation_id] = time.monotonic() + REST

    async def _batch(self, work: Work) -> None:
        """One transaction, after the pause that is due."""
        await asyncio.sleep(self._pace.pause)
        began = time.monotonic()
        try:
            done = await self._transact(work, self._pace.size)
        except _SPOILT as error:
            _log.info("a batch is done one by one", operation=work.operation_id, reason=str(error))
            done = await self._alone(work)
        self._pace.after(time.monotonic() - began, done, self._calls_a_second())

    def _calls_a_second(self) -> float:
        """How many calls this process answered a second lately."""
        now, (since, before) = time.monotonic(), self._counted
        if now - since >= COUNTED_FOR:
            calls = self._calls()
            self._beside = (calls - before) / (now - since)
            self._counted = now, calls
        return self._beside

    async def _alone(self, work: Work) -> int:
        try:
            return await self._transact(work, 1)
        except _SPOILT as error:
            _log.warning("an item cannot be done", operation=work.operation_id, reason=str(error))
            return await self._transact(work, 1, spoilt=error)

    async def _transact(self, work: Work, size: int, spoilt: Exception | None = None) -> int:
        """Deal with up to `size` SIMs of a part; returns how many."""
        outcome = Outcome()
        async with self._db.transaction() as connection:
            part = await store.lock_part(connection, work.bucket, work.operation_id, work.state)
            if part is None:
                return 0
            action = actions.from_plain(work.action)
            batch = _Batch(connection, work, action, self._clock())
            results: list[Settled] = []
            if work.state == "PREVIEWING" and work.filter is not None:
                part, count = await batch.gather(part, size)
            else:
                items = await store.next_items(connection, work.bucket, work.operation_id, part.after_n, size)
                if spoilt is not None:
                    results = [_refused(n, action, spoilt) for n, _, _ in items]
                elif work.state == "PREVIEWING":
                    results = await batch.preview(items)
                else:
                    results, outcome = await batch.run(items)
                part, count = _moved(part, items, results), len(items)
            await store.settle(connection, work, results, part, self._clock(), more=count == size)
        self._committed(outcome)
        return count


class _Batch:
    """Some SIMs of one part, within one transaction."""

    def __init__(self, connection: asyncpg.Connection, work: Work, action: Action, now: datetime) -> None:
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
        for number, each in enumerate(found, part.items + 1):
            result = self._look_at(number, each.sim, None)
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

    async def preview(self, items: Sequence[Numbered]) -> list[Settled]:
        """Which of the items would not change or cannot, and why. Nothing is locked, nothing changes."""
        sims = await store.read_sims(self._connection, self._work.bucket, [imsi for _, imsi, _ in items])
        looked = [self._look_at(n, sims.get(imsi), data) for n, imsi, data in items]
        return [each for each in looked if each.status != "REQUESTED"]

    def _look_at(self, n: int, sim: Sim | None, data: dict[str, Any] | None) -> Settled:
        try:
            if sim is None or self._work.account_id not in (None, sim.account_id):
                raise SimNotFound
            actions.rule(self._action, data, self._now, self._cause)(sim)
        except SimwardenError as error:
            said = actions.verdict(self._action, error, sim)
            return Settled(n, said.status, said.code, said.reason)
        return Settled(n, "REQUESTED")

    async def run(self, items: Sequence[Numbered]) -> tuple[list[Settled], Outcome]:
        """Do it."""
        if not items:
            return [], Outcome()
        if isinstance(self._action, Add):
            return await self._add(items), Outcome()
        wanted = [
            Order(
                imsi, actions.rule(self._action, data, self._now, self._cause), self._work.account_id, self._work.usage
            )
            for _, imsi, data in items
        ]
        found, outcome = await orders.carry_out(self._connection, wanted, self._now)
        refused = [imsi for (_, imsi, _), each in zip(items, found, strict=True) if isinstance(each, SimwardenError)]
        sims = await store.read_sims(self._connection, self._work.bucket, refused) if refused else {}
        results = []
        for (n, imsi, _), each in zip(items, found, strict=True):
            if isinstance(each, SimwardenError):
                said = actions.verdict(self._action, each, sims.get(imsi))
                results.append(Settled(n, said.status, said.code, said.reason))
            else:
                results.append(Settled(n, "DONE"))
        return results, outcome

    async def _add(self, items: Sequence[Numbered]) -> list[Settled]:
        assert self._work.account_id is not None, "SIMs are added to an account"
        rows, results = [], []
        for n, _, data in items:
            try:
                rows.append(_row(n, self._work.account_id, data or {}))
            except InvalidIdentifier as error:
                results.append(_refused(n, self._action, error))
        bad = await provision.insert(self._connection, self._work.account_id, rows, self._cause)
        reasons = {row.line: row.reason for row in bad}
        for row in rows:
            taken = reasons.get(row.line)
            refused = Settled(row.line, "REFUSED", "ALREADY_EXISTS", taken)
            results.append(refused if taken else Settled(row.line, "DONE"))
        done = sum(each.status == "DONE" for each in results)
        if done and self._work.usage is not None:
            key = self._now.astimezone(UTC).date(), self._work.bucket, self._work.usage
            await usage.count(self._connection, {key: done})
        return results


def _row(n: int, account_id: str, data: dict[str, Any]) -> provision.Row:
    """A SIM to be added. Raises InvalidIdentifier."""
    names = {name: data[name] for name in ("imsi", "iccid", "msisdn", "nai") if name in data}
    imei = data.get("imei")
    if imei:
        parse_imei(imei)
    sim = provision.new_sim(account_id, lifecycle=Lifecycle(data.get("lifecycle", "PRE_ACTIVE")), **names)
    return provision.Row(n, sim, imei)


def _refused(n: int, action: Action, error: Exception) -> Settled:
    if isinstance(error, SimwardenError):
        said = actions.verdict(action, error, None)
        return Settled(n, said.status, said.code, said.reason)
    return Settled(n, "REFUSED", "INTERNAL", "This item cannot be done. Tell the operator of this server.")


def _moved(part: Part, items: Sequence[Numbered], results: Sequence[Settled]) -> Part:
    """The part after these items."""
    if not items:
        return part
    return msgspec.structs.replace(
        part,
        after_n=items[-1][0],
        done=part.done + sum(each.status == "DONE" for each in results),
        unchanged=part.unchanged + sum(each.status == "UNCHANGED" for each in results),
        refused=part.refused + sum(each.status == "REFUSED" for each in results),
    )
