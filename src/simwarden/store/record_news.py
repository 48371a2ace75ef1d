"""Records that subscribers wait for: who waits, what they are told, and what stays sealed until it is sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from simwarden.domain.counters import Meter
from simwarden.domain.identifiers import bucket_of
from simwarden.domain.record_news import RecordPlace, RecordWish
from simwarden.domain.record_views import content_of
from simwarden.store import records
from simwarden.store.columns import keys_of
from simwarden.store.queries import load
from simwarden.store.record_lists import call_of, message_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from datetime import date
    from decimal import Decimal

    import asyncpg

    from simwarden.domain.record_news import NewRecord
    from simwarden.domain.records import StoredCallRecord, StoredMessage
    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

Q = load("record_news")
MESSAGES, CALLS = "sms", "call"
"""In the place of a record, as a delivery names it."""
_PLACE = re.compile(rf"({MESSAGES}|{CALLS}):(\d{{1,3}}):(\d{{1,10}}):((?:[0-9a-f]{{2}}){{1,64}})")


class RecordListener(msgspec.Struct, frozen=True):
    """A live subscription to records."""

    id: str
    subject: str
    """The SIM's IMSI, or what stands for an account."""
    account_id: str
    topic: str
    wish: RecordWish


async def listeners(connection: asyncpg.Connection, subjects: Collection[str]) -> list[RecordListener]:
    """The live subscriptions to records of these SIMs and accounts; none is locked."""
    rows = await connection.fetch(Q["listeners"], *keys_of(list(subjects)))
    return [
        RecordListener(row["id"], row["imsi"], row["account_id"], row["topic"], RecordWish.of_config(row["config"]))
        for row in rows
    ]


async def messages(
    connection: asyncpg.Connection, vault: Vault, wanted: Sequence[NewRecord]
) -> dict[RecordPlace, StoredMessage]:
    """Messages as they are stored. Raises WrongKey."""
    rows = await connection.fetch(Q["messages"], *_keys(each.place for each in wanted))
    return {_place(row): message_of({**row, **records.opened_sms(vault, row)}) for row in rows}


async def calls(
    connection: asyncpg.Connection, vault: Vault, wanted: Sequence[NewRecord]
) -> dict[RecordPlace, StoredCallRecord]:
    """Calls as they are stored by now. Raises WrongKey."""
    rows = await connection.fetch(Q["calls"], *_keys(each.place for each in wanted))
    return {_place(row): call_of({**row, **records.opened_call(vault, row)}) for row in rows}


async def used(
    connection: asyncpg.Connection, days: Collection[tuple[str, date, str]]
) -> dict[tuple[str, date], dict[Meter, Decimal]]:
    """What SIMs used on days while they were an account's (IMSI, day, account), by all their counters."""
    keys = sorted(days)
    imsis = [imsi for imsi, _, _ in keys]
    rows = await connection.fetch(
        *(Q["used"], [bucket_of(imsi) for imsi in imsis], imsis),
        *([day for _, day, _ in keys], [account for _, _, account in keys]),
    )
    return {(row["imsi"], row["day"]): {meter: row[meter.name.lower()] for meter in Meter} for row in rows}


class SealedRecord(msgspec.Struct, frozen=True):
    """A message or a call, with what is personal in it."""

    table: str
    row: Mapping[str, Any]

    def opened(self, vault: Vault) -> dict[str, Any]:
        """Its text and numbers, by the names that customers know. Raises WrongKey."""
        if self.table == CALLS:
            call = records.opened_call(vault, self.row)
            return _parties(call["caller"], call["callee"])
        sms = records.opened_sms(vault, self.row)
        text = {} if sms["content"] is None else {"text": sms["content"]}
        return _parties(sms["sender"], sms["receiver"]) | text


async def sealed(db: Database, places: Iterable[str]) -> dict[str, SealedRecord]:
    """Records as deliveries name them; those that were deleted are missing."""
    wanted: dict[str, dict[RecordPlace, str]] = {MESSAGES: {}, CALLS: {}}
    for name in set(places):
        if found := _PLACE.fullmatch(name):
            table, bucket, gateway_id, key = found.groups()
            wanted[table][RecordPlace(int(bucket), int(gateway_id), bytes.fromhex(key))] = name
    told: dict[str, SealedRecord] = {}
    for table, query in ((MESSAGES, "messages"), (CALLS, "calls")):
        if named := wanted[table]:
            for row in await db.fetch(Q[query], *_keys(named)):
                told[named[_place(row)]] = SealedRecord(table, row)
    return told


def _parties(sender: str | None, receiver: str | None) -> dict[str, Any]:
    return {name.rstrip("_"): party for name, party in content_of(sender, receiver).items()}


def _keys(places: Iterable[RecordPlace]) -> tuple[list[int], list[int], list[bytes]]:
    known = sorted(places)
    return [each.bucket for each in known], [each.gateway_id for each in known], [each.key for each in known]


def _place(row: Mapping[str, Any]) -> RecordPlace:
    return RecordPlace(row["bucket"], row["gateway_id"], row["key"])
