"""Operations: work on many SIMs that is accepted at once and done in the background (`engine.bulk_worker`).

An operation names its SIMs by a list or by a filter. Where a person asks for it, it is previewed first: every SIM is
looked at, what would not change or cannot is put aside with the reason, and nothing happens until it is confirmed by
who has seen the counts. What was put aside stays so; what is left is done.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import secrets
import zlib
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import msgspec

from simwarden.domain.errors import (
    IncompatibleState,
    InvalidValue,
    NothingToChange,
    SimNotFound,
    SimwardenError,
    TooManyOperations,
)
from simwarden.domain.fixed_line import IsFixedLine
from simwarden.domain.identifiers import BUCKETS
from simwarden.engine.commands.catalogue import refusal_of
from simwarden.engine.idempotency import IdempotencyStore, ReplayedResponse, StoredResponse
from simwarden.kit.clock import now_utc
from simwarden.kit.ids import uuid7
from simwarden.store import lines, ranges, sim_names
from simwarden.store import operations as store
from simwarden.store import usage as usage_store
from simwarden.store.listing import SimFilter
from simwarden.store.operations import NewItem, Operation, OperationNotFound

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable
    from datetime import datetime

    import asyncpg

    from simwarden.domain.command import Command
    from simwarden.domain.events import Cause
    from simwarden.domain.sim import SimRef
    from simwarden.domain.usage import Usage
    from simwarden.engine.idempotency import IdempotentRequest
    from simwarden.store.database import Database
    from simwarden.store.operations import Item

__all__ = ["BulkJobs", "Listed", "Named", "NotReady", "Operation", "OperationNotFound", "PreviewChanged"]


class OperationLimits(msgspec.Struct, frozen=True):
    """What one application may begin."""

    open: int = 50
    """Operations that are not finished."""
    devices: int = 500_000
    """Devices named in an hour, in all its operations."""
    unknown: int = 20_000
    """Devices named in an hour that no SIM of its account has."""


HOUR = timedelta(hours=1)
CALM = timedelta(seconds=1)
"""For so long after an application was over a limit its long lists are refused without being looked at."""


class NotReady(IncompatibleState):
    """The operation is not in a state that allows this."""


class PreviewChanged(SimwardenError):
    """The confirmation does not belong to the preview of this operation. Look at the preview again."""

    status, code = 409, "ABORTED"


class Named(msgspec.Struct, frozen=True):
    """One SIM of a list: how it was named, and what goes with it."""

    n: int
    given: Any
    ref: SimRef | None
    """None: cannot be the name of a SIM; `wrong` says why."""
    data: dict[str, Any] | None = None
    wrong: SimwardenError | None = None
    """Why."""


Listed = Named | NewItem
"""What an operation can be made of: names that are yet to be looked up, or items as they are to be written."""


class BulkJobs:
    """Accepts, shows, confirms and cancels operations. `accepted` is called when there is something to do."""

    def __init__(
        self,
        db: Database,
        answers: IdempotencyStore | None = None,
        *,
        accepted: Callable[[], None] = lambda: None,
        limits: OperationLimits | None = None,
        clock: Callable[[], datetime] = now_utc,
    ) -> None:
        """`limits`: of customers' operations, by application; previewed ones, which are the operator's, have none."""
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._over: dict[str, tuple[datetime, TooManyOperations]] = {}
        """When an application was refused lately, and how."""
        self._limits = limits or OperationLimits()
        self._db = db
        self._answers = answers or IdempotencyStore(db)
        self._accepted = accepted
        self._clock = clock

    async def begin(
        self,
        action: Command,
        sims: SimFilter | Iterable[Listed],
        cause: Cause,
        *,
        app_key: str,
        account_id: str | None,
        preview: bool,
        once: IdempotentRequest | None = None,
        usage: Usage | None = None,
    ) -> Operation:
        """Accept an operation on the account's SIMs (None: anybody's); it is stored when this returns.

        A name that no SIM has is refused in the result, like one of another account's SIM. `usage`: what each
        SIM that is done counts as; those that are not the account's are counted apart, under the same name with
        `/unknown` behind it. Raises TooManyOperations, StoreUnavailable; with `once` ReplayedResponse, KeyReused.
        """
        now = self._clock()
        operation = Operation(
            id=str(uuid7(now)),
            account_id=account_id,
            app_key=app_key,
            verb=action.verb,
            action=msgspec.to_builtins(action),
            cause=msgspec.structs.replace(cause, message=action.summary),
            filter=msgspec.to_builtins(sims) if isinstance(sims, SimFilter) else None,
            state="PREVIEWING" if preview else "RUNNING",
            summary=None,
            created_at=now,
            ready_at=None,
            confirmed_at=None,
            finished_at=None,
            expires_at=None,
            usage=usage,
        )
        async with self._turn(app_key, sims, preview=preview), self._db.transaction() as connection:
            if once is not None:
                await self._claim(connection, once)
            items = None
            room = None if preview else await self._room(connection, app_key, now)
            if not isinstance(sims, SimFilter):
                items = []
                listed: dict[str, NewItem] = {}
                for chunk in _chunks(sims, store.INSERT_ROWS):
                    written = await _resolved(connection, chunk, account_id)
                    if room is not None:
                        room.take(written)
                    if preview:
                        written = [_once(item, listed) for item in written]
                    await store.insert_items(connection, operation.id, written, now)
                    items += written
                    await asyncio.sleep(0)  # let others in
            became = Counter(item.status for item in items or ())
            refused = became["REFUSED"]
            await store.insert(connection, operation, refused)
            await store.insert_parts(connection, operation.id, items)
            operation = msgspec.structs.replace(
                operation, items=len(items or ()), refused=refused, unchanged=became["UNCHANGED"]
            )
            if once is not None:
                await self._answers.keep(connection, [(once, operation)])
            if usage is not None and refused:
                apart = msgspec.structs.replace(usage, operation=f"{usage.operation}/unknown")
                bucket = zlib.crc32(operation.id.encode()) % BUCKETS
                await usage_store.count(connection, {(now.astimezone(UTC).date(), bucket, apart): refused})
        self._accepted()
        return operation

    def refuse_at_once(self, app_key: str) -> None:
        """For a long list that has not been read yet: the answer of a moment ago still holds.

        Reading thousands of names costs everybody more than refusing them. Raises TooManyOperations.
        """
        if app_key in self._over:
            at, refusal = self._over[app_key]
            if at <= self._clock() < at + CALM:
                raise TooManyOperations(refusal.message, refusal.retry_after)
            del self._over[app_key]

    @contextlib.asynccontextmanager
    async def _turn(self, app_key: str, sims: object, *, preview: bool) -> AsyncIterator[None]:
        """Long lists of one application are taken in one after the other, lest they hold all connections."""
        long = isinstance(sims, Sequence) and len(sims) > store.INSERT_ROWS
        async with contextlib.AsyncExitStack() as stack:
            if long:
                lock = self._turns.get(app_key)
                if lock is None:
                    lock = self._turns[app_key] = asyncio.Lock()
                await stack.enter_async_context(lock)
                if not preview:
                    self.refuse_at_once(app_key)
            try:
                yield
            except TooManyOperations as error:
                if long:
                    self._over[app_key] = self._clock(), error
                raise

    async def _room(self, connection: asyncpg.Connection, app_key: str, now: datetime) -> _Room:
        """What is left of the application's limits."""
        limits = self._limits
        begun = await store.begun(connection, app_key, str(uuid7(now - HOUR)))
        if begun.open >= limits.open:
            raise TooManyOperations(f"At most {limits.open} operations of an application may be open at once", 60)
        return _Room(limits, begun.devices, begun.unknown)

    async def _claim(self, connection: asyncpg.Connection, once: IdempotentRequest) -> None:
        known = (await self._answers.claim(connection, [once])).get(once.name)
        if isinstance(known, StoredResponse):
            raise ReplayedResponse(known)
        if known is not None:
            raise known

    async def get(self, operation_id: str, *, app_key: str | None = None) -> Operation:
        """An operation with its counts; with `app_key` only that client's own. Raises OperationNotFound."""
        found = None if "\x00" in operation_id else await store.find(self._db, operation_id, app_key=app_key)
        if found is None:
            raise OperationNotFound
        return found

    async def taken(self, names: Sequence[tuple[str, str]]) -> bool:
        """Whether any of these names (kind, value) is a SIM's already, whosever."""
        async with self._db.connection() as connection:
            return bool(await sim_names.taken(connection, names))

    async def outside(self, account_id: str, names: Sequence[tuple[str, str]]) -> bool:
        """Whether any of these names (kind, value) lies outside the account's number ranges."""
        return bool((await ranges.own(self._db, account_id)).outside(account_id, names))

    async def page(
        self, *, before: str | None = None, state: str | None = None, account_id: str | None = None, limit: int = 50
    ) -> list[Operation]:
        """Operations, the newest first."""
        return await store.page(self._db, before=before, state=state, account_id=account_id, limit=limit)

    async def items(self, operation_id: str) -> list[Item]:
        """What became of each SIM, in the order of the request; for operations of some thousand SIMs."""
        return await store.items_in_order(self._db, operation_id)

    def stream(self, operation: Operation) -> AsyncIterator[list[Item]]:
        """What became of each SIM, in pieces: in the order of the list, or for a filter in no order to speak of."""
        if operation.filter is None:
            return store.stream_list(self._db, operation.id)
        return store.stream_items(self._db, operation.id)

    async def confirm(self, operation_id: str, token: str) -> Operation:
        """Let a previewed operation run. Raises OperationNotFound, PreviewChanged, NotReady naming the state."""
        async with self._db.transaction() as connection:
            state = await store.lock(connection, operation_id)
            found = await store.find(connection, operation_id)
            if state is None or found is None:
                raise OperationNotFound
            if state != "READY":
                raise NotReady(f"The operation is {state}; to be confirmed, it must be READY")
            if not secrets.compare_digest(token.encode(), confirm_token(found).encode()):
                raise PreviewChanged
            await store.confirm(connection, operation_id, self._clock())
        self._accepted()
        return await self.get(operation_id)

    async def cancel(self, operation_id: str) -> Operation:
        """End an operation: nothing is done once this returns. Raises OperationNotFound, NotReady naming the state."""
        async with self._db.transaction() as connection:
            state = await store.lock(connection, operation_id)
            if state is None:
                raise OperationNotFound
            if state not in ("PREVIEWING", "READY", "RUNNING"):
                raise NotReady(f"The operation is {state} and cannot be cancelled any more")
            await store.cancel(connection, operation_id, self._clock())
        return await self.get(operation_id)


class _Room(msgspec.Struct):
    """What an application has named in the last hour."""

    limits: OperationLimits
    devices: int
    unknown: int

    def take(self, items: Sequence[NewItem]) -> None:
        """Raises TooManyOperations when these are too many."""
        wait = int(HOUR.total_seconds())
        unknown = sum(item.status == "REFUSED" for item in items)
        self.devices += len(items)
        self.unknown += unknown
        if self.devices > self.limits.devices:
            text = f"At most {self.limits.devices} devices of an application in operations of one hour"
            raise TooManyOperations(text, wait)
        if unknown and self.unknown > self.limits.unknown:
            text = f"At most {self.limits.unknown} devices that are no SIMs of the account in operations of one hour"
            raise TooManyOperations(text, wait)


def confirm_token(operation: Operation) -> str:
    """What has to be shown to confirm an operation: it says which counts were seen."""
    o = operation
    seen = f"{o.id} {o.ready_at} {o.items} {o.unchanged} {o.refused}"
    return hashlib.sha256(seen.encode()).hexdigest()[:32]


async def _resolved(connection: asyncpg.Connection, chunk: Sequence[Listed], account_id: str | None) -> list[NewItem]:
    """Items to be written: names looked up in one statement."""
    names = [each for each in chunk if isinstance(each, Named) and each.ref is not None]
    places = await store.resolve(connection, [each.ref for each in names if each.ref is not None], account_id)
    known = {each.n: place for each, place in zip(names, places, strict=True)}
    lost = [each.ref for each in names if each.ref is not None and known[each.n] is None]
    fixed = await lines.known(connection, account_id, lost) if lost and account_id is not None else set()
    items = []
    for each in chunk:
        if isinstance(each, NewItem):
            items.append(each)
            continue
        place = known.get(each.n)
        if place is not None:
            items.append(NewItem(each.n, each.given, *place, each.data))
        else:
            wrong = each.wrong or (IsFixedLine() if each.ref in fixed else SimNotFound())
            bucket = zlib.crc32(str(each.given).encode()) & 0xFF
            items.append(NewItem(each.n, each.given, bucket, None, each.data, *refusal_of(wrong)))
    return items


def _once(item: NewItem, listed: dict[str, NewItem]) -> NewItem:
    """The item; put aside when the SIM is in the list already, which is added to."""
    if item.imsi is None or item.status != "REQUESTED":
        return item
    first = listed.setdefault(item.imsi, item)
    if first is item:
        return item
    if first.data == item.data:
        status, code, reason = refusal_of(NothingToChange("The list names this SIM before"))
    else:
        status, code, reason = refusal_of(InvalidValue("The list names this SIM before, with another device"))
    return msgspec.structs.replace(item, status=status, code=code, reason=reason)


def _chunks(items: Iterable[Listed], size: int) -> Iterable[list[Listed]]:
    chunk: list[Listed] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
