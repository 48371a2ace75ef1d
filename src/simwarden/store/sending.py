"""Short messages that customers send: receivers and texts sealed."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.identifiers import ALL_BUCKETS, bucket_of
from simwarden.domain.sending import MessageKey, MessageMove, Stage, bucket_of_task
from simwarden.domain.sim import CardSlot
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import asyncpg

    from simwarden.domain.sim import Sim
    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

Q = load("sending")
_encoder = msgspec.json.Encoder()


class MessageContent(msgspec.Struct, frozen=True):
    """What is sealed of a message."""

    to: str
    text: str
    category: str | None = None


class DueMessage(msgspec.Struct, frozen=True):
    """A message to which something is to be done."""

    key: MessageKey
    imsi: str
    account_id: str
    stage: Stage
    sealed: bytes
    gateway_id: int | None
    """Which element was told to send it, as far as that is known."""
    target: str | None
    task: int | None
    queued_at: datetime
    is_there: bool
    """Its SIM is still the account's."""
    slot: CardSlot | None
    """Where the SIM was seen last."""


class TaskMessage(msgspec.Struct, frozen=True):
    """A message that a task or a delivery report may be about."""

    key: MessageKey
    imsi: str
    account_id: str
    peer: bytes


def seal(vault: Vault, key: MessageKey, content: MessageContent) -> bytes:
    """Encrypt what is personal."""
    return vault.seal(_encoder.encode(content), _purpose(key))


def opened(vault: Vault, key: MessageKey, sealed: bytes) -> MessageContent:
    """The same in clear. Raises WrongKey."""
    return msgspec.json.decode(vault.open(sealed, _purpose(key)), type=MessageContent)


async def add(
    connection: asyncpg.Connection,
    vault: Vault,
    sim: Sim,
    app_key: str,
    message_id: str,
    contents: Sequence[tuple[MessageContent, bytes]],
    now: datetime,
    centre: int | None = None,
) -> None:
    """Queue a text to receivers, each with the hash of its number. `centre`: the element that sends it from the SIM's
    phone number; None: the one in which the SIM is."""
    numbers = range(1, len(contents) + 1)
    await connection.execute(
        Q["add"],
        *(
            sim.bucket,
            message_id,
            sim.imsi,
            sim.account_id,
            app_key,
            now,
            centre,
            None if centre is None else sim.msisdn,
        ),
        list(numbers),
        [peer for _, peer in contents],
        [
            seal(vault, MessageKey(sim.bucket, message_id, n), content)
            for n, (content, _) in zip(numbers, contents, strict=True)
        ],
    )
    await connection.execute(Q["wake"])


async def waiting(connection: asyncpg.Connection, account_id: str, most: int) -> int:
    """How many messages of an account are on their way, counted up to `most`."""
    count: int = await connection.fetchval(Q["waiting"], ALL_BUCKETS, account_id, most)
    return count


async def lately(connection: asyncpg.Connection, account_id: str, since: datetime, most: int) -> int:
    """How many messages an account has queued since then, counted up to `most`."""
    count: int = await connection.fetchval(Q["lately"], ALL_BUCKETS, account_id, since, most)
    return count


async def carrier(db: Database, gateway_id: int) -> tuple[str, str | None] | None:
    """Kind and command URL of a network element; None: there is none of this id."""
    row = await db.fetchrow(Q["carrier"], gateway_id)
    return None if row is None else (row["kind"], row["command_url"])


async def centre(db: Database, kinds: Collection[str], account_id: str) -> int | None:
    """A network element of these kinds that reports for the account; one that is the account's own first."""
    found: int | None = await db.fetchval(Q["centre"], list(kinds), account_id)
    return found


async def due(
    db: Database, buckets: Sequence[int], now: datetime, busy: Collection[int], limit: int
) -> list[DueMessage]:
    """Messages whose time has come, none that goes by these elements."""
    return [_due(row) for row in await db.fetch(Q["due"], buckets, now, list(busy), limit)]


async def next_due(db: Database, buckets: Sequence[int]) -> datetime | None:
    """When the next one's time comes."""
    at: datetime | None = await db.fetchval(Q["next_due"], buckets)
    return at


async def new_tasks(connection: asyncpg.Connection, gateway_id: int, count: int, begin: int) -> range:
    """So many numbers for tasks of an element; the first ones ever given count from `begin`."""
    last: int = await connection.fetchval(Q["tasks"], gateway_id, begin + count, count)
    return range(last - count + 1, last + 1)


async def assign(
    connection: asyncpg.Connection, items: Sequence[tuple[MessageKey, int, str, int]], due_at: datetime
) -> set[MessageKey]:
    """Write down by which target of which element, and under which number, messages are about to be sent; returns
    those that are still queued."""
    rows = await connection.fetch(
        Q["assign"],
        *_keys([key for key, _, _, _ in items]),
        [gateway_id for _, gateway_id, _, _ in items],
        [target for _, _, target, _ in items],
        [task for _, _, _, task in items],
        [due_at] * len(items),
    )
    return {MessageKey(**dict(row)) for row in rows}


async def put_off(db: Database, keys: Sequence[MessageKey], due_at: datetime) -> None:
    """Try messages again then, by whichever slot their SIM is in."""
    await db.execute(Q["put_off"], *_keys(keys), [due_at] * len(keys))


async def wait(connection: asyncpg.Connection, keys: Sequence[MessageKey], due_at: datetime) -> None:
    """Look at messages again then; those that an element was told keep their slots and numbers."""
    await connection.execute(Q["wait"], *_keys(keys), due_at)


async def move(
    connection: asyncpg.Connection, moves: Sequence[MessageMove], now: datetime
) -> dict[MessageKey, int | None]:
    """Bring messages forward; returns those that were not as far, or at their end, with the element that was told
    to send each."""
    rows = await connection.fetch(
        Q["move"],
        *_keys([one.key for one in moves]),
        [int(one.stage) for one in moves],
        [one.reason for one in moves],
        [one.due_at for one in moves],
        [now] * len(moves),
    )
    return {MessageKey(row["bucket"], row["id"], row["recipient"]): row["gateway_id"] for row in rows}


async def kinds(connection: asyncpg.Connection, element_ids: Collection[int]) -> dict[int, str]:
    """Of network elements; those that were removed are missing."""
    rows = await connection.fetch(Q["kinds"], sorted(element_ids)) if element_ids else []
    return {row["id"]: row["kind"] for row in rows}


async def of_tasks(
    connection: asyncpg.Connection, tasks: Collection[tuple[int, int]]
) -> Mapping[tuple[int, int], TaskMessage]:
    """The messages of tasks, by gateway and task; of those that somebody else gave the gateway there are none."""
    rows = await connection.fetch(
        Q["of_tasks"],
        sorted({bucket_of_task(task) for _, task in tasks}),
        sorted({gateway_id for gateway_id, _ in tasks}),
        sorted({task for _, task in tasks}),
    )
    return {
        (row["gateway_id"], row["task"]): TaskMessage(_key(row), row["imsi"], row["account_id"], row["peer"])
        for row in rows
    }


async def unreported(
    connection: asyncpg.Connection, reports: Mapping[tuple[str, bytes], int], since: datetime
) -> dict[tuple[str, bytes], list[MessageKey]]:
    """Messages of which no delivery was reported, the oldest first, by SIM and receiver. `reports`: how many of each
    are wanted at most."""
    found: dict[tuple[str, bytes], list[MessageKey]] = {}
    buckets = [bucket_of(imsi) for imsi, _ in reports]
    imsis, peers = [imsi for imsi, _ in reports], [peer for _, peer in reports]
    most = list(reports.values())
    for row in await connection.fetch(Q["unreported"], sorted(set(buckets)), buckets, imsis, peers, most, since):
        found.setdefault((row["imsi"], row["peer"]), []).append(_key(row))
    return found


async def prune(db: Database, before: datetime, at_once: int) -> int:
    """Delete messages that were queued before this, up to `at_once` a statement and a bucket at a time."""
    count = 0
    for bucket in ALL_BUCKETS:
        done = at_once
        while done >= at_once:
            done = await db.execute(Q["prune"], bucket, before, at_once)
            count += done
    return count


def _due(row: asyncpg.Record) -> DueMessage:
    seen = row["seen_gateway"]
    return DueMessage(
        key=_key(row),
        imsi=row["imsi"],
        account_id=row["account_id"],
        stage=Stage(row["stage"]),
        sealed=row["sealed"],
        gateway_id=row["gateway_id"],
        target=row["target"],
        task=row["task"],
        queued_at=row["queued_at"],
        is_there=row["is_there"],
        slot=None if seen is None else CardSlot(seen, row["seen_port"], row["seen_slot"]),
    )


def _key(row: asyncpg.Record) -> MessageKey:
    return MessageKey(row["bucket"], row["id"], row["recipient"])


def _keys(keys: Sequence[MessageKey]) -> tuple[list[int], list[str], list[int]]:
    return [key.bucket for key in keys], [key.id for key in keys], [key.recipient for key in keys]


def _purpose(key: MessageKey) -> str:
    return f"outgoing-message:{key.id}:{key.recipient}"
