"""Lists of messages and calls: of a SIM, of an account, of a gateway; with texts and numbers unsealed."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from simwarden.domain.identifiers import ALL_BUCKETS, bucket_of
from simwarden.domain.records import StoredCallRecord, StoredMessage
from simwarden.store import records
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import asyncpg

    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

Q = load("record_lists")


class Behind(msgspec.Struct, frozen=True, array_like=True):
    """The last record of the page before."""

    when: datetime
    bucket: int
    gateway_id: int
    key: str
    """In hexadecimal digits."""


class OfSim(msgspec.Struct, frozen=True):
    """Records of an IMSI, also of one that is not registered."""

    imsi: str
    account_id: str | None = None
    """Only those of when the SIM was this account's."""


class OfAccount(msgspec.Struct, frozen=True):
    """Records of an account's SIMs."""

    account_id: str
    gateway_id: int | None = None


class OfGateway(msgspec.Struct, frozen=True):
    """Whatever a gateway reported."""

    gateway_id: int
    unknown: bool = False
    """Only of cards that were nobody's."""


class RecordQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which records are wanted."""

    of: OfSim | OfAccount | OfGateway
    since: datetime
    until: datetime
    direction: str | None = None
    other_party: str | None = None
    """As it is written; only with OfSim."""
    behind: Behind | None = None
    limit: int


class RecordLists:
    """Reads records."""

    def __init__(self, db: Database, vault: Vault) -> None:
        self._db = db
        self._vault = vault

    async def messages(self, wanted: RecordQuery) -> list[StoredMessage]:
        """Messages, delivery reports and outcomes of orders. Raises WrongKey."""
        rows = await self._read("sms", wanted)
        return [message_of({**row, **records.opened_sms(self._vault, row)}) for row in rows]

    async def calls(self, wanted: RecordQuery) -> list[StoredCallRecord]:
        """Calls. Raises WrongKey."""
        rows = await self._read("calls", wanted)
        return [call_of({**row, **records.opened_call(self._vault, row)}) for row in rows]

    async def _read(self, kind: str, wanted: RecordQuery) -> Sequence[asyncpg.Record]:
        peer = None
        if wanted.other_party is not None:
            assert isinstance(wanted.of, OfSim), "hashes of other parties tell nothing across SIMs"
            peer = records.peer_of(self._vault, wanted.of.imsi, wanted.other_party)
            if peer is None:
                return []
        name, scope = _scope(wanted.of)
        behind = wanted.behind
        place: Sequence[object] = (None, None, None, None)
        if behind is not None:
            place = behind.when, behind.bucket, behind.gateway_id, bytes.fromhex(behind.key)
        return await self._db.fetch(
            Q[f"{kind}_of_{name}"],
            *scope,
            *(wanted.since, wanted.until, wanted.direction, peer),
            *place,
            wanted.limit,
        )


def message_of(row: Mapping[str, Any]) -> StoredMessage:
    """A row, with what was sealed in it."""
    return StoredMessage(**{name: row[name] for name in StoredMessage.__struct_fields__})


def call_of(row: Mapping[str, Any]) -> StoredCallRecord:
    """A row, with what was sealed in it."""
    return StoredCallRecord(**{name: row[name] for name in StoredCallRecord.__struct_fields__})


def behind(record: StoredMessage | StoredCallRecord) -> Behind:
    """Where the page that ends with this record goes on."""
    return Behind(record.when, record.bucket, record.gateway_id, record.key.hex())


def _scope(of: OfSim | OfAccount | OfGateway) -> tuple[str, tuple[object, object, object]]:
    match of:
        case OfSim():
            return "sim", (bucket_of(of.imsi), of.imsi, of.account_id)
        case OfAccount():
            return "account", (list(ALL_BUCKETS), of.account_id, of.gateway_id)
        case OfGateway():
            return "gateway", (list(ALL_BUCKETS), of.gateway_id, of.unknown)
