"""Gathering the orders of concurrent calls into one transaction, each with its own result.

While one batch is written the next gathers, so a lone call is written at once and a storm in large batches, over one
held connection. An order that is refused, or whose values cannot be stored, spoils nothing for the others.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import msgspec
import structlog

from simwarden.domain.errors import SimwardenError, StoreUnavailable
from simwarden.engine.changes import Outcome
from simwarden.engine.idempotency import Answers, Kept, Once, Replayed
from simwarden.engine.orders import Decided, Order, carry_out
from simwarden.kit.clock import now_utc
from simwarden.store.database import AGAIN, available, concerns_all, is_refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    import asyncpg

    from simwarden.store.database import Database

_log = structlog.get_logger()
_TRIES = 3


class _Call(msgspec.Struct, eq=False):
    """An order on its way, and who waits for its result."""

    order: Order
    once: Once | None
    future: asyncio.Future[Decided]


class Gather:
    """The one way in for orders that customers' calls give. `committed` is called after each batch."""

    def __init__(
        self,
        db: Database,
        answers: Answers | None = None,
        *,
        most: int = 200,
        committed: Callable[[Outcome], None] = lambda _outcome: None,
        clock: Callable[[], datetime] = now_utc,
    ) -> None:
        self._db = db
        self._answers = answers or Answers(db)
        self._most = most
        self._committed = committed
        self._clock = clock
        self._waiting: list[_Call] = []
        self._task: asyncio.Task[None] | None = None

    async def submit(self, order: Order, once: Once | None = None) -> Decided:
        """Carry out an order; returns when its effects are committed.

        Raises what its rule raises; SimNotFound; StoreUnavailable (perhaps nothing was done, perhaps all). With `once`
        also Replayed (it was carried out before) and KeyReused (under this key something else was).
        """
        call = _Call(order, once, asyncio.get_running_loop().create_future())
        self._waiting.append(call)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="gather")
        return await asyncio.shield(call.future)

    async def drain(self) -> None:
        """Wait until everything that was submitted is committed or refused."""
        while self._task is not None:
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            while self._waiting:
                try:
                    async with self._db.connection() as connection:
                        while self._waiting and await self._flush(connection, self._take()):
                            pass
                except StoreUnavailable as error:
                    waiting, self._waiting = self._waiting, []
                    _settle(waiting, [error] * len(waiting))
        finally:
            self._task = None

    def _take(self) -> list[_Call]:
        """The calls that have waited longest, of those with one key only the first: the next waits for its answer."""
        batch: list[_Call] = []
        left: list[_Call] = []
        keys = set()
        for call in self._waiting:
            if len(batch) == self._most or (call.once is not None and call.once.name in keys):
                left.append(call)
                continue
            batch.append(call)
            if call.once is not None:
                keys.add(call.once.name)
        self._waiting = left
        return batch

    async def _flush(self, connection: asyncpg.Connection, batch: list[_Call]) -> bool:
        """Write a batch; returns whether the connection is still good."""
        try:
            with available():
                results, outcome = await self._write(connection, batch)
        except StoreUnavailable as error:
            _settle(batch, [error] * len(batch))
            return False
        except Exception as error:
            if len(batch) > 1 and not concerns_all(error):  # whose fault it is shows when they are apart
                half = len(batch) // 2
                good = await self._flush(connection, batch[:half])
                return await self._flush(connection, batch[half:]) and good
            if is_refusal(error):
                _log.warning("order failed", imsi=batch[0].order.imsi, reason=str(error))
            else:
                _log.exception("batch of orders failed", orders=len(batch))
            _settle(batch, [error] * len(batch))
            return True
        except BaseException as error:  # the program ends: nobody may wait for ever
            batch = [*batch, *self._waiting]
            self._waiting = []
            _settle(batch, [error] * len(batch))
            raise
        self._committed(outcome)
        _settle(batch, results)
        return True

    async def _write(
        self, connection: asyncpg.Connection, batch: list[_Call]
    ) -> tuple[list[Decided | BaseException], Outcome]:
        for _ in range(_TRIES - 1):
            with contextlib.suppress(*AGAIN):
                return await self._try(connection, batch)
        return await self._try(connection, batch)

    async def _try(
        self, connection: asyncpg.Connection, batch: list[_Call]
    ) -> tuple[list[Decided | BaseException], Outcome]:
        async with connection.transaction():
            calls = [call.once for call in batch if call.once is not None]
            known = await self._answers.claim(connection, calls) if calls else {}
            todo = [call for call in batch if call.once is None or call.once.name not in known]
            found: list[Decided | SimwardenError] = []
            outcome = Outcome()
            if todo:
                found, outcome = await carry_out(connection, [call.order for call in todo], self._clock())
                answered = zip(todo, found, strict=True)
                await self._answers.keep(connection, [(c.once, each) for c, each in answered if c.once is not None])
        fresh = iter(found)
        results: list[Decided | BaseException] = []
        for call in batch:
            before = known.get(call.once.name) if call.once is not None else None
            results.append(next(fresh) if before is None else Replayed(before) if isinstance(before, Kept) else before)
        return results, outcome


def _settle(batch: Sequence[_Call], results: Sequence[Decided | BaseException]) -> None:
    for call, result in zip(batch, results, strict=True):
        if call.future.done():
            continue
        if isinstance(result, BaseException):
            call.future.set_exception(result)
            call.future.exception()  # heard, also when the caller has gone
        else:
            call.future.set_result(result)
