"""Commands of concurrent calls, executed together in one transaction, each with its own result.

While one batch is written the next one fills, so a lone call is written at once and a storm in large batches, over one
held connection. A command that is refused, or whose values cannot be stored, spoils nothing for the others.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import msgspec
import structlog

from simwarden.domain.errors import SimNotFound, StoreUnavailable
from simwarden.engine.changes import Outcome
from simwarden.engine.commands.command import SimCommand, execute, resolve
from simwarden.engine.idempotency import Answers, Kept, Once, Replayed
from simwarden.kit.clock import now_utc
from simwarden.store.database import AGAIN, available, concerns_all, is_refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    import asyncpg

    from simwarden.domain.decision import Decision
    from simwarden.store.database import Database

_log = structlog.get_logger()
_TRIES = 3


class _Call(msgspec.Struct, eq=False):
    """A command on its way, and who waits for its result."""

    command: SimCommand
    once: Once | None
    future: asyncio.Future[Decision]


class CommandBatcher:
    """The one way in for commands that calls give. `committed` is called after each batch."""

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

    async def submit(self, command: SimCommand, once: Once | None = None) -> Decision:
        """Execute a command; returns when its effects are committed.

        Raises what its rule raises; SimNotFound; StoreUnavailable (perhaps nothing was done, perhaps all). With `once`
        also Replayed (it was executed before) and KeyReused (under this key something else was).
        """
        call = _Call(command, once, asyncio.get_running_loop().create_future())
        self._waiting.append(call)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="commands")
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
                _log.warning("command failed", sim=batch[0].command.ref.value, reason=str(error))
            else:
                _log.exception("batch of commands failed", commands=len(batch))
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
    ) -> tuple[list[Decision | BaseException], Outcome]:
        for _ in range(_TRIES - 1):
            with contextlib.suppress(*AGAIN):
                return await self._try(connection, batch)
        return await self._try(connection, batch)

    async def _try(
        self, connection: asyncpg.Connection, batch: list[_Call]
    ) -> tuple[list[Decision | BaseException], Outcome]:
        results: dict[int, Decision | BaseException] = {}
        outcome = Outcome()
        async with connection.transaction():
            imsis = await resolve(connection, [call.command for call in batch])
            # The answer that no SIM has this name is not kept: it is about the name, and nothing was done.
            todo = [(imsi, call) for imsi, call in zip(imsis, batch, strict=True) if imsi is not None]
            keys = [call.once for _, call in todo if call.once is not None]
            known = await self._answers.claim(connection, keys) if keys else {}
            for _, call in todo:
                before = known.get(call.once.name) if call.once is not None else None
                if before is not None:
                    results[id(call)] = Replayed(before) if isinstance(before, Kept) else before
            todo = [(imsi, call) for imsi, call in todo if id(call) not in results]
            if todo:
                found, outcome = await execute(connection, [(imsi, call.command) for imsi, call in todo], self._clock())
                done = [(call, each) for (_, call), each in zip(todo, found, strict=True)]
                results |= {id(call): each for call, each in done}
                await self._answers.keep(connection, [(call.once, each) for call, each in done if call.once])
        return [results.get(id(call)) or SimNotFound() for call in batch], outcome


def _settle(batch: Sequence[_Call], results: Sequence[Decision | BaseException]) -> None:
    for call, result in zip(batch, results, strict=True):
        if call.future.done():
            continue
        if isinstance(result, BaseException):
            call.future.set_exception(result)
            call.future.exception()  # heard, also when the caller has gone
        else:
            call.future.set_result(result)
