"""Operations, their parts (one per bucket) and items."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from simwarden.domain.errors import ResourceNotFound
from simwarden.domain.events import Cause
from simwarden.domain.identifiers import ALL_BUCKETS
from simwarden.domain.usage import Usage
from simwarden.store import sim_names, sims
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    import asyncpg

    from simwarden.domain.sim import Sim, SimRef
    from simwarden.store.database import Database

Q = load("operations")
INSERT_ROWS = 100
"""Items written in one statement: what an event loop can do without others noticing."""


class OperationNotFound(ResourceNotFound):
    """No operation has this id."""


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """Work on many SIMs, and how far it has come."""

    id: str
    account_id: str | None
    """Whose SIMs; None: anybody's."""
    app_key: str
    verb: str
    action: dict[str, Any]
    cause: Cause
    filter: dict[str, Any] | None
    state: str
    """PREVIEWING, READY (to be confirmed), RUNNING, COMPLETED, CANCELLED, EXPIRED (never confirmed)."""
    summary: list[dict[str, Any]] | None
    created_at: datetime
    ready_at: datetime | None
    confirmed_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime | None
    usage: Usage | None = None
    """What each SIM that is done counts as."""
    items: int = 0
    done: int = 0
    unchanged: int = 0
    refused: int = 0
    parts: int = 0
    open_parts: int = 0

    @property
    def left(self) -> int:
        """Items that are neither done nor found unchanged nor refused."""
        return self.items - self.done - self.unchanged - self.refused


class NewItem(msgspec.Struct, frozen=True):
    """One SIM of an operation, as it is written."""

    n: int
    given: Any
    bucket: int
    imsi: str | None
    data: dict[str, Any] | None = None
    status: str = "REQUESTED"
    code: str | None = None
    reason: str | None = None


class Item(msgspec.Struct, frozen=True):
    """One SIM of an operation, and what became of it."""

    bucket: int
    n: int
    given: Any
    imsi: str | None
    status: str
    """REQUESTED, DONE, UNCHANGED, REFUSED."""
    code: str | None
    reason: str | None
    at: datetime | None


class PartOfWork(msgspec.Struct, frozen=True):
    """A part of an operation that has something to do."""

    operation_id: str
    bucket: int
    account_id: str | None
    action: dict[str, Any]
    cause: Cause
    filter: dict[str, Any] | None
    state: str
    usage: Usage | None = None
    left: int = 0
    """Items that are yet to be dealt with, at most."""


class Part(msgspec.Struct, frozen=True):
    """How far a part has come; locked."""

    after_n: int
    after_imsi: str
    items: int
    done: int
    unchanged: int
    refused: int


class Todo(NamedTuple):
    """An item that is to be dealt with."""

    bucket: int
    n: int
    imsi: str
    data: dict[str, Any] | None


class Settled(msgspec.Struct, frozen=True):
    """What became of an item."""

    bucket: int
    n: int
    status: str
    code: str | None = None
    reason: str | None = None


class Begun(msgspec.Struct, frozen=True):
    """What an application has begun."""

    open: int
    """Operations that are not finished."""
    devices: int
    """SIMs named in those begun lately."""
    unknown: int
    """Of them those that were not to be found when they were named."""


async def begun(connection: asyncpg.Connection, app_key: str, since: str) -> Begun:
    """What this application has begun, with ids from `since` on."""
    return Begun(**dict(await connection.fetchrow(Q["begun"], app_key, since)))


async def insert(connection: asyncpg.Connection, operation: Operation, unknown: int = 0) -> None:
    """Write a new operation; of its SIMs so many are not to be found."""
    o = operation
    cause = msgspec.to_builtins(o.cause)
    await connection.execute(
        *(Q["insert"], o.id, o.account_id, o.app_key, o.verb, o.action, cause, o.filter, o.state, o.created_at),
        None if o.usage is None else msgspec.to_builtins(o.usage),
        unknown,
    )


async def insert_items(
    connection: asyncpg.Connection, operation_id: str, items: Sequence[NewItem], now: datetime
) -> None:
    """Write items, at most INSERT_ROWS. What is settled already is settled now."""
    await connection.execute(
        Q["insert_items"],
        [item.bucket for item in items],
        operation_id,
        [item.n for item in items],
        [item.given for item in items],
        [item.imsi for item in items],
        [item.data for item in items],
        [item.status for item in items],
        [item.code for item in items],
        [item.reason for item in items],
        [None if item.status == "REQUESTED" else now for item in items],
    )


async def insert_parts(connection: asyncpg.Connection, operation_id: str, items: Sequence[NewItem] | None) -> None:
    """Write the parts of an operation: those that its items are in, or all of them for a filter (None)."""
    became: dict[str, Counter[int]] = {"REQUESTED": Counter(), "REFUSED": Counter(), "UNCHANGED": Counter()}
    for item in items or ():
        became[item.status][item.bucket] += 1
    requested, refused, unchanged = became.values()
    buckets = ALL_BUCKETS if items is None else sorted(set().union(*became.values()))
    opened = [items is None or requested[bucket] > 0 for bucket in buckets]
    columns = (
        [requested[bucket] + refused[bucket] + unchanged[bucket] for bucket in buckets],
        [refused[bucket] for bucket in buckets],
        [unchanged[bucket] for bucket in buckets],
    )
    await connection.execute(Q["insert_parts"], buckets, operation_id, opened, *columns)
    await connection.execute(Q["wake"])


async def resolve(
    connection: asyncpg.Connection, refs: Sequence[SimRef], account_id: str | None
) -> list[tuple[int, str] | None]:
    """Bucket and IMSI of each name, in order; None where the account (None: nobody at all) has no such SIM."""
    kinds, values, buckets = sim_names.columns_of([(ref.kind, ref.value) for ref in refs])
    rows = await connection.fetch(Q["resolve"], kinds, values, account_id, buckets)
    found: list[tuple[int, str] | None] = [None] * len(refs)
    for row in rows:
        found[row["ord"] - 1] = row["bucket"], row["imsi"]
    return found


async def find(db: Database | asyncpg.Connection, operation_id: str, *, app_key: str | None = None) -> Operation | None:
    """An operation with its counts; with `app_key` only if it is this application's."""
    row = await db.fetchrow(Q["find"], operation_id, app_key)
    return None if row is None else _operation(row)


async def page(
    db: Database, *, before: str | None, state: str | None, account_id: str | None, limit: int
) -> list[Operation]:
    """Operations, the newest first, from behind the one of id `before`."""
    return [_operation(row) for row in await db.fetch(Q["page"], before, state, account_id, limit)]


async def items_in_order(db: Database, operation_id: str) -> list[Item]:
    """All items of an operation of moderate size, in the order of the request."""
    buckets = await _buckets(db, operation_id)
    found: list[Item] = []
    for begin in range(0, len(buckets), 8):  # in pieces: others want the loop too
        found += [_item(row) for row in await db.fetch(Q["all_items"], operation_id, buckets[begin : begin + 8])]
    return sorted(found, key=lambda item: item.n)


async def stream_list(db: Database, operation_id: str, chunk: int = 500) -> AsyncIterator[list[Item]]:
    """All items of a listed operation in pieces, in the order of the list. No connection is held between two pieces."""
    buckets = await _buckets(db, operation_id)
    last = await db.fetchval(Q["last_item"], operation_id, buckets)
    for after in range(-1, -1 if last is None else last, chunk):
        rows = await db.fetch(Q["items_between"], operation_id, buckets, after, after + chunk)
        if rows:
            yield [_item(row) for row in rows]


async def stream_items(db: Database, operation_id: str, chunk: int = 500) -> AsyncIterator[list[Item]]:
    """All items of an operation in pieces, bucket by bucket. No connection is held between two pieces."""
    gathered: list[Item] = []
    for bucket in await _buckets(db, operation_id):
        after = -1
        while True:
            rows = await db.fetch(Q["items"], operation_id, bucket, after, chunk)
            gathered += [_item(row) for row in rows]
            if len(gathered) >= chunk:
                yield gathered
                gathered = []
            if len(rows) < chunk:
                break
            after = rows[-1]["n"]
    if gathered:
        yield gathered


async def _buckets(db: Database, operation_id: str) -> list[int]:
    return [row["bucket"] for row in await db.fetch(Q["buckets_of"], operation_id)]


async def confirm(connection: asyncpg.Connection, operation_id: str, now: datetime) -> None:
    """Let a locked operation run: its parts begin anew with what the preview left."""
    await connection.execute(Q["set_state"], operation_id, "RUNNING", now, None)
    await connection.execute(Q["reopen_parts"], operation_id)
    await connection.execute(Q["wake"])


async def cancel(connection: asyncpg.Connection, operation_id: str, now: datetime) -> None:
    """End a locked operation: what is under way is waited for, nothing is begun any more."""
    await connection.execute(Q["set_state"], operation_id, "CANCELLED", None, now)
    await connection.execute(Q["close_parts"], operation_id)


async def lock(connection: asyncpg.Connection, operation_id: str) -> str | None:
    """Lock an operation; returns its state."""
    row = await connection.fetchrow(Q["lock_operation"], operation_id)
    return None if row is None else str(row["state"])


async def open_work(db: Database, buckets: Sequence[int], turns: int) -> list[PartOfWork]:
    """Parts that have something to do in these buckets: up to `turns` of each operation, the operations in turn."""
    rows = await db.fetch(Q["open_parts"], buckets, turns)
    return [msgspec.convert(dict(row), PartOfWork) for row in rows]


async def lock_parts(
    connection: asyncpg.Connection, buckets: Sequence[int], operation_id: str, state: str
) -> dict[int, Part]:
    """Lock the parts in these buckets in which there is something to do while the operation is in this state."""
    rows = await connection.fetch(Q["lock_parts"], buckets, operation_id)
    # Looked at behind the locks: a preview may have been confirmed, and its parts opened again, since they were found.
    if not rows or await connection.fetchval(Q["state"], operation_id) != state:
        return {}
    return {row["bucket"]: Part(**{name: row[name] for name in Part.__struct_fields__}) for row in rows}


async def next_items(
    connection: asyncpg.Connection, operation_id: str, parts: Mapping[int, Part], limit: int
) -> list[Todo]:
    """The next requested items of each part, at most `limit` of each."""
    after = [part.after_n for part in parts.values()]
    rows = await connection.fetch(Q["next_items"], operation_id, list(parts), after, limit)
    return [Todo(row["bucket"], row["n"], row["imsi"], row["data"]) for row in rows]


async def settle(
    connection: asyncpg.Connection,
    operation_id: str,
    results: Sequence[Settled],
    parts: Mapping[int, tuple[Part, bool]],
    now: datetime,
) -> None:
    """Write what became of items, and how far their locked parts have come, each with whether something is left."""
    moved = [part for part, _ in parts.values()]
    await connection.execute(
        Q["settle"],
        operation_id,
        [result.bucket for result in results],
        [result.n for result in results],
        [result.status for result in results],
        [result.code for result in results],
        [result.reason for result in results],
        now,
        list(parts),
        [more for _, more in parts.values()],
        *([getattr(part, name) for part in moved] for name in Part.__struct_fields__),
    )


async def read_sims(connection: asyncpg.Connection, places: Sequence[tuple[int, str]]) -> dict[str, Sim]:
    """SIMs (bucket and IMSI) as they are now, not locked."""
    rows = await connection.fetch(Q["sims"], [bucket for bucket, _ in places], [imsi for _, imsi in places])
    return {row["imsi"]: sims.from_row(row) for row in rows}


async def finish(db: Database, now: datetime, confirm_within: timedelta) -> int:
    """Finish the previews and runs whose parts are all through, and let old previews expire; returns how many."""
    rows = await db.fetch(Q["finished"])
    for row in rows:
        buckets = await _buckets(db, row["id"])
        summary = [dict(one) for one in await db.fetch(Q["summary"], row["id"], buckets)]
        await db.execute(Q["finish"], row["id"], row["state"], now, confirm_within, summary)
    return len(rows) + await db.execute(Q["expire"], now)


async def forget_old(db: Database, before: datetime, vain_before: datetime, buckets: Sequence[int]) -> None:
    """Forget operations that ended before this time, as far as they are in these buckets; `vain_before`: for those that
    named only SIMs that there are not."""
    for row in await db.fetch(Q["old"], before, vain_before):
        await db.execute(Q["forget_items"], row["id"], buckets)
        await db.execute(Q["forget_parts"], row["id"], buckets)
        await db.execute(Q["forget"], row["id"])


def _operation(row: asyncpg.Record) -> Operation:
    return msgspec.convert({name: row[name] for name in Operation.__struct_fields__}, Operation)


def _item(row: asyncpg.Record) -> Item:
    return Item(**dict(row))
