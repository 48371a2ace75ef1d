"""Lists of messages and calls: of a SIM, of an account, of a gateway; with texts and numbers unsealed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simwarden.domain.identifiers import ALL_BUCKETS, bucket_of
from simwarden.domain.records import OfAccount, OfGateway, OfSim, RecordQuery, StoredCallRecord, StoredMessage
from simwarden.store import counters, records
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import date

    import asyncpg

    from simwarden.domain.counters import CounterDay, LastReading
    from simwarden.domain.sim import Sim
    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

Q = load("record_lists")


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

    async def days(
        self, of: OfSim | OfAccount, first: date, last: date, *, behind: tuple[date, int, str, int] | None, limit: int
    ) -> list[CounterDay]:
        """What was used on each day, the newest first, from behind (day, bucket, IMSI, element) on."""
        if isinstance(of, OfAccount):
            return await counters.of_account(self._db, of.account_id, first, last, before=behind, limit=limit)
        assert of.account_id is not None
        place = None if behind is None else (behind[0], behind[3])
        return await counters.of_sim(self._db, of.imsi, of.account_id, first, last, before=place, limit=limit)

    async def last_readings(self, sim: Sim) -> list[LastReading]:
        """What elements showed last."""
        return await counters.shown_last(self._db, sim)

    async def names(self, account_id: str, imsis: Collection[str]) -> dict[str, tuple[str | None, str | None]]:
        """Phone number and network access identifier of those that are the account's SIMs now, by IMSI."""
        rows = await self._db.fetch(Q["names"], sorted({bucket_of(imsi) for imsi in imsis}), sorted(imsis), account_id)
        return {row["imsi"]: (row["msisdn"], row["nai"]) for row in rows}

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


def _scope(of: OfSim | OfAccount | OfGateway) -> tuple[str, tuple[object, object, object]]:
    match of:
        case OfSim():
            return "sim", (bucket_of(of.imsi), of.imsi, of.account_id)
        case OfAccount():
            return "account", (list(ALL_BUCKETS), of.account_id, of.gateway_id)
        case OfGateway():
            return "gateway", (list(ALL_BUCKETS), of.gateway_id, of.unknown)
