"""What SIMs did, in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from simwarden.domain.records import OfAccount, OfSim, RecordQuery, StoredCallRecord, StoredMessage, StoredRecord

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import date

    from simwarden.domain.counters import CounterDay, LastReading
    from simwarden.domain.sim import Sim, SimRef

T = TypeVar("T", StoredMessage, StoredCallRecord)


class RecordsInMemory:
    """RecordReader, by plain loops."""

    def __init__(self, sims: Mapping[SimRef, Sim]) -> None:
        self._sims = sims
        self.of_messages: list[StoredMessage] = []
        self.of_calls: list[StoredCallRecord] = []
        self.of_days: list[CounterDay] = []
        self.of_readings: list[LastReading] = []

    async def messages(self, wanted: RecordQuery, /) -> list[StoredMessage]:
        """RecordReader."""
        return _chosen(self.of_messages, wanted, lambda one: one.receiver if one.direction != "inbound" else one.sender)

    async def calls(self, wanted: RecordQuery, /) -> list[StoredCallRecord]:
        """RecordReader."""
        return _chosen(self.of_calls, wanted, lambda one: one.callee if one.direction != "inbound" else one.caller)

    async def days(
        self, of: OfSim | OfAccount, first: date, last: date, *, behind: tuple[date, int, str, int] | None, limit: int
    ) -> list[CounterDay]:
        """RecordReader."""
        found = sorted(
            (
                each
                for each in self.of_days
                if each.account_id == of.account_id
                and (not isinstance(of, OfSim) or each.imsi == of.imsi)
                and first <= each.day <= last
                and (behind is None or (each.day, each.bucket, each.imsi, each.element_id) < behind)
            ),
            key=lambda each: (each.day, each.bucket, each.imsi, each.element_id),
            reverse=True,
        )
        return found[:limit]

    async def last_readings(self, sim: Sim, /) -> list[LastReading]:
        """RecordReader."""
        return self.of_readings

    async def names(self, account_id: str, imsis: Collection[str], /) -> dict[str, tuple[str | None, str | None]]:
        """RecordReader."""
        mine = [sim for sim in self._sims.values() if sim.account_id == account_id and sim.imsi in imsis]
        return {sim.imsi: (sim.msisdn, sim.nai) for sim in mine}


def _chosen(found: list[T], wanted: RecordQuery, other_side: object) -> list[T]:
    assert not isinstance(wanted.of, OfSim | OfAccount) or wanted.of.account_id, "a customer sees its own"
    behind = wanted.behind
    place = None if behind is None else (behind.when, behind.bucket, behind.gateway_id, bytes.fromhex(behind.key))

    def at(one: StoredRecord) -> object:
        assert isinstance(one, StoredMessage | StoredCallRecord)
        return one.when, one.bucket, one.gateway_id, one.key

    assert callable(other_side)
    kept = [
        one
        for one in found
        if one.account_id == getattr(wanted.of, "account_id", None)
        and (not isinstance(wanted.of, OfSim) or one.imsi == wanted.of.imsi)
        and wanted.since <= one.when < wanted.until
        and wanted.direction in (None, one.direction)
        and wanted.other_party in (None, other_side(one))
        and (place is None or (one.when, one.bucket, one.gateway_id, one.key) < place)
    ]
    return sorted(kept, key=at, reverse=True)[: wanted.limit]  # type: ignore[arg-type]
