"""Short messages that SIMs received, for their customers: texts sealed, in one order for each account."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from simwarden.domain.identifiers import ALL_BUCKETS, bucket_of
from simwarden.domain.messages import Arrived, MessageOrigin, ReceivedMessage, Recipient, Wish
from simwarden.domain.sim import IdentifierKind, SimRef
from simwarden.store.outbox import Outbox
from simwarden.store.queries import load
from simwarden.store.records import bucket_for, sms_key

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    import asyncpg

    from simwarden.domain.reports import SmsRecord
    from simwarden.domain.sim import Sim
    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

Q = load("messages")
_ID = re.compile(r"[0-9a-f]{34}")
_EVER = datetime(1970, 1, 1, tzinfo=UTC)
_encoder = msgspec.json.Encoder()
Place = tuple[datetime, int, bytes]
"""Of a waiting message: when it came, gateway and key."""


class MessageListener(msgspec.Struct, frozen=True):
    """A live subscription to received messages."""

    id: str
    subject: str
    """The SIM's IMSI, or what stands for an account."""
    wish: Wish


class WaitingMessage(msgspec.Struct, frozen=True):
    """A message of which nobody knew whose it is."""

    bucket: int
    gateway_id: int
    key: bytes
    imsi: str | None
    port: int | None
    slot: int | None
    received_at: datetime
    pinned: str | None
    """The account for whose SIMs alone its gateway reports."""

    @property
    def place(self) -> Place:
        """Where it stands among those that wait."""
        return self.received_at, self.gateway_id, self.key


def purpose(message_id: str) -> str:
    """Of a sealed message."""
    return f"short-message:{message_id}"


def opened(vault: Vault, message_id: str, sealed: bytes) -> dict[str, Any]:
    """A sealed message as its customer gets it. Raises WrongKey."""
    found: dict[str, Any] = msgspec.json.decode(vault.open(sealed, purpose(message_id)))
    return found


async def recipients(connection: asyncpg.Connection, imsis: Collection[str]) -> dict[str, Recipient]:
    """Those of these SIMs that are registered, by IMSI."""
    if not imsis:
        return {}
    rows = await connection.fetch(Q["recipients"], sorted({bucket_of(imsi) for imsi in imsis}), list(imsis))
    return {row["imsi"]: Recipient(**dict(row)) for row in rows}


async def listeners(connection: asyncpg.Connection, subjects: Collection[str], topic: str) -> list[MessageListener]:
    """The live subscriptions to messages of these SIMs and accounts; none is locked."""
    buckets = sorted({bucket_of(subject) for subject in subjects})
    rows = await connection.fetch(Q["wishes"], buckets, list(subjects), topic)
    return [MessageListener(row["id"], row["imsi"], Wish.of_config(row["config"])) for row in rows]


async def lock_wide(connection: asyncpg.Connection, subject: str, topic: str, ids: Sequence[str]) -> list[Outbox]:
    """Lock subscriptions to a whole account, those of these that are still live."""
    rows = await connection.fetch(Q["lock_wide"], bucket_of(subject), subject, topic, list(ids))
    return [Outbox.of_row(row) for row in rows]


async def add(
    connection: asyncpg.Connection, vault: Vault, messages: Sequence[tuple[Recipient, ReceivedMessage]]
) -> None:
    """Store messages behind all that their accounts have, in this order. Nobody else adds any until the commit.

    Call it after the rows of SIMs are locked that this transaction locks.
    """
    counts = Counter(sim.account_id for sim, _ in messages)
    accounts = sorted(counts)
    rows = await connection.fetch(Q["take_turns"], accounts, [counts[each] for each in accounts])
    turns = {row["account_id"]: row["n"] - counts[row["account_id"]] for row in rows}
    numbers = []
    for sim, _ in messages:
        turns[sim.account_id] += 1
        numbers.append(turns[sim.account_id])
    await connection.execute(
        Q["add"],
        [sim.bucket for sim, _ in messages],
        [message.message_id for _, message in messages],
        [sim.imsi for sim, _ in messages],
        [sim.account_id for sim, _ in messages],
        numbers,
        [message.received_at for _, message in messages],
        [vault.seal(_encoder.encode(message), purpose(message.message_id)) for _, message in messages],
    )


async def texts(db: Database, ids: Iterable[str]) -> dict[str, bytes]:
    """Messages, sealed, by id; those that were deleted are missing."""
    wanted = sorted(set(ids))
    rows = await db.fetch(Q["texts"], sorted({int(id_[:2], 16) for id_ in wanted}), wanted)
    return {row["id"]: row["sealed"] for row in rows}


async def wait(connection: asyncpg.Connection, vault: Vault, items: Sequence[tuple[int, SmsRecord, Arrived]]) -> None:
    """Keep messages (with their gateways) until it is known whose they are."""
    if not items:
        return
    keys = [sms_key(vault, record.key) for _, record, _ in items]
    await connection.execute(
        Q["wait"],
        [bucket_for(record.imsi, gateway_id) for gateway_id, record, _ in items],
        [gateway_id for gateway_id, _, _ in items],
        keys,
        [record.imsi for _, record, _ in items],
        [record.port for _, record, _ in items],
        [record.slot for _, record, _ in items],
        [message.received_at for _, _, message in items],
        [
            vault.seal(_encoder.encode(message), _waiting_purpose(gateway_id, key))
            for (gateway_id, _, message), key in zip(items, keys, strict=True)
        ],
    )


async def waiting(db: Database, after: Place | None, limit: int) -> list[WaitingMessage]:
    """The next messages that wait, behind `after`."""
    rows = await db.fetch(Q["waiting"], ALL_BUCKETS, *(after or (_EVER, 0, b"")), limit)
    return [WaitingMessage(**dict(row)) for row in rows]


async def in_slots(
    db: Database, slots: Collection[tuple[int, int, int]]
) -> dict[tuple[int, int, int], tuple[str, str | None]]:
    """The IMSIs that slots (gateway, port, slot) hold, each with the account to which its gateway is pinned."""
    if not slots:
        return {}
    rows = await db.fetch(Q["in_slots"], *map(list, zip(*sorted(slots), strict=True)))
    return {(row["gateway_id"], row["port"], row["slot"]): (row["imsi"], row["account_id"]) for row in rows}


async def take(
    connection: asyncpg.Connection, vault: Vault, items: Sequence[WaitingMessage]
) -> dict[tuple[int, bytes], Arrived]:
    """End the waiting of messages, by gateway and key; another process may have been faster. Raises WrongKey."""
    rows = await connection.fetch(
        Q["take"], [item.bucket for item in items], [item.gateway_id for item in items], [item.key for item in items]
    )
    return {
        (row["gateway_id"], row["key"]): msgspec.json.decode(
            vault.open(row["sealed"], _waiting_purpose(row["gateway_id"], row["key"])), type=Arrived
        )
        for row in rows
    }


async def lives(connection: asyncpg.Connection, imsis: Collection[str]) -> Mapping[str, datetime]:
    """When the SIMs that had these IMSIs before were deleted; those that nobody had are missing."""
    rows = await connection.fetch(Q["lives"], sorted({bucket_of(imsi) for imsi in imsis}), list(imsis))
    return {row["imsi"]: row["deleted_at"] for row in rows}


async def forget_waiting(db: Database, before: datetime) -> int:
    """Drop messages that have waited since before this; returns how many."""
    return await db.execute(Q["forget_waiting"], ALL_BUCKETS, before)


async def prune(db: Database, before: datetime, at_once: int) -> int:
    """Delete messages that came before this, up to `at_once` a statement and a bucket at a time; returns how many."""
    count = 0
    for bucket in ALL_BUCKETS:
        done = at_once
        while done >= at_once:
            done = await db.execute(Q["prune"], bucket, before, at_once)
            count += done
    return count


class Messages:
    """Reading what SIMs received."""

    def __init__(self, db: Database, vault: Vault) -> None:
        self._db = db
        self._vault = vault

    async def received(
        self, account_id: str, sim: Sim | None, *, since: datetime | None, after: int, limit: int
    ) -> list[tuple[int, dict[str, Any]]]:
        """An account's messages, of one SIM or of all, behind place `after`, with their places. Raises WrongKey."""
        common = account_id, after, since or _EVER, limit
        if sim is None:
            rows = await self._db.fetch(Q["of_account"], *common, ALL_BUCKETS)
        else:
            rows = await self._db.fetch(Q["of_sim"], *common, sim.bucket, sim.imsi)
        return [(row["n"], opened(self._vault, row["id"], row["sealed"])) for row in rows]

    async def origin(self, account_id: str, message_id: str) -> MessageOrigin | None:
        """Which SIM received a message, and from whom; None: the account has no such message. Raises WrongKey."""
        if not _ID.fullmatch(message_id):
            return None
        row = await self._db.fetchrow(Q["find"], int(message_id[:2], 16), message_id, account_id)
        if row is None:
            return None
        sender = opened(self._vault, message_id, row["sealed"])["from"]
        return MessageOrigin(SimRef(IdentifierKind.IMSI, row["imsi"]), sender)


def _waiting_purpose(gateway_id: int, key: bytes) -> str:
    return f"waiting-message:{gateway_id}:{key.hex()}"
