"""Commands of concurrent calls, executed together in one transaction, each with its own result.

While one batch is written the next one fills, so a lone call is written at once and a storm in large batches. A command
that is refused, or whose values cannot be stored, spoils nothing for the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import structlog

from simwarden.domain.decision import Decision
from simwarden.domain.errors import SimNotFound
from simwarden.engine.commands.command import SimCommand, execute, resolve
from simwarden.engine.idempotency import IdempotencyStore, IdempotentRequest, ReplayedResponse, StoredResponse
from simwarden.engine.unit_of_work import Outcome
from simwarden.kit.batcher import Batcher
from simwarden.kit.clock import now_utc
from simwarden.store.database import concerns_all, is_refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence
    from datetime import datetime

    from simwarden.store.database import Database

_log = structlog.get_logger()


class CommandBatcher:
    """The one way in for commands that calls give. `committed` is called after each batch."""

    def __init__(
        self,
        db: Database,
        answers: IdempotencyStore | None = None,
        *,
        most: int = 200,
        committed: Callable[[Outcome], None] = lambda _outcome: None,
        clock: Callable[[], datetime] = now_utc,
    ) -> None:
        self._batches = _Batches(db, answers or IdempotencyStore(db), most, committed, clock)

    async def submit(self, command: SimCommand, once: IdempotentRequest | None = None) -> Decision:
        """Execute a command; returns when its effects are committed.

        Raises what its rule raises; SimNotFound; StoreUnavailable (perhaps nothing was done, perhaps all). With `once`
        also ReplayedResponse (it was executed before) and KeyReused (under this key something else was).
        """
        return await self._batches.submit(_Call(command, once))

    async def drain(self) -> None:
        """Wait until everything that was submitted is committed or refused."""
        await self._batches.drain()


class _Call(msgspec.Struct, frozen=True, eq=False):
    command: SimCommand
    once: IdempotentRequest | None


class _Batches(Batcher[_Call, Decision]):
    batcher_name = "commands"

    def __init__(
        self,
        db: Database,
        answers: IdempotencyStore,
        most: int,
        committed: Callable[[Outcome], None],
        clock: Callable[[], datetime],
    ) -> None:
        super().__init__(most=most)
        self._db = db
        self._answers = answers
        self._committed = committed
        self._clock = clock

    def key(self, item: _Call) -> Hashable | None:
        return None if item.once is None else item.once.name

    def can_halve(self, error: Exception) -> bool:
        return not concerns_all(error)

    def failed(self, items: Sequence[_Call], error: Exception) -> Exception:
        if is_refusal(error):
            _log.warning("command failed", sim=items[0].command.ref.value, reason=str(error))
        else:
            _log.error("batch of commands failed", commands=len(items), exc_info=error)
        return error

    async def write(self, items: Sequence[_Call]) -> list[Decision | BaseException]:
        results: dict[int, Decision | BaseException] = {}
        outcome = Outcome()
        async with self._db.transaction() as connection:
            imsis = await resolve(connection, [call.command for call in items])
            # The answer that no SIM has this name is not kept: it is about the name, and nothing was done.
            todo = [
                (n, imsi, call) for n, (imsi, call) in enumerate(zip(imsis, items, strict=True)) if imsi is not None
            ]
            keys = [call.once for _, _, call in todo if call.once is not None]
            known = await self._answers.claim(connection, keys) if keys else {}
            for n, _, call in todo:
                before = known.get(call.once.name) if call.once is not None else None
                if before is not None:
                    results[n] = ReplayedResponse(before) if isinstance(before, StoredResponse) else before
            todo = [each for each in todo if each[0] not in results]
            if todo:
                wanted = [(imsi, call.command) for _, imsi, call in todo]
                found, outcome = await execute(connection, wanted, self._clock())
                results |= {n: each for (n, _, _), each in zip(todo, found, strict=True)}
                kept = [(call.once, each) for (_, _, call), each in zip(todo, found, strict=True) if call.once]
                await self._answers.keep(connection, kept)
        self._committed(outcome)
        return [results.get(n) or SimNotFound() for n in range(len(items))]
