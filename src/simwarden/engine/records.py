"""The messages and calls of a batch of reports: stored, counted, and shown to whoever looks at them.

Each table is read and written by one statement a batch. Rows of SIMs are locked before those that count for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from simwarden.domain.daily import DayCounts
from simwarden.domain.doubt import DoubtKind
from simwarden.domain.events import Cause, CauseKind
from simwarden.domain.reports import CallRecord, SmsRecord
from simwarden.domain.risk_facts import Facts
from simwarden.domain.sim import CardSlot
from simwarden.engine import messages as received
from simwarden.engine import risk_records, traffic
from simwarden.engine.record_news import RecordBook
from simwarden.engine.record_sims import with_sim
from simwarden.engine.unit_of_work import Outcome
from simwarden.store import daily, holders, hotzone_alerts, ports, records, sim_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    import asyncpg

    from simwarden.domain.counters import CounterDay, CounterUse
    from simwarden.domain.reports import Report
    from simwarden.engine.counters import CounterBook
    from simwarden.engine.doubts import Doubts
    from simwarden.store.gateways import LockedGateway
    from simwarden.store.vault import Vault

R = TypeVar("R", bound=SmsRecord | CallRecord)


class BatchRecords:
    """Of one transaction."""

    def __init__(
        self,
        connection: asyncpg.Connection,
        elements: Mapping[int, LockedGateway],
        doubts: Doubts,
        vault: Vault | None,
        counted_back: timedelta,
        now: datetime,
    ) -> None:
        """`elements`: those that report, by id. `counted_back`: see `domain.daily.DayCounts`."""
        self._connection = connection
        self._elements = elements
        self._doubts = doubts
        self._vault = vault
        self._counted_back = counted_back
        self._now = now

    async def store(
        self, reports: Sequence[Report], counters: CounterBook, of_sessions: Sequence[CounterUse] = ()
    ) -> Outcome:
        """Store what the reports tell; what moved of counters, and what sessions used, is stored already."""
        facts = Facts(self._counted_back)
        facts.add_uses(counters.uses)
        facts.add_uses(of_sessions)
        book = RecordBook(self._connection, self._vault, self._now)
        days = [day for day in counters.days if day.used]
        messages = [(report, sms) for report in reports for sms in report.sms]
        calls = [(report, call) for report in reports for call in report.calls]
        if not messages and not calls:
            registered = await holders.of_sims(self._connection, facts.by_sim)
            outcome = await self._judge(reports, facts, {}, registered, book, days)
            return outcome.plus(await book.tell_accounts())
        vault = self._vault
        assert vault is not None, "messages and calls are stored sealed"
        messages, calls = await self._named(messages, calls)
        stored: list[tuple[Report, SmsRecord | CallRecord]] = [*messages, *calls]
        named = {record.imsi for _, record in stored if record.imsi}
        asked = named | facts.by_sim.keys()
        registered = await holders.of_sims(self._connection, asked)
        messages, calls = self._without_foreign(messages, registered), self._without_foreign(calls, registered)
        stored = [*messages, *calls]
        counts = DayCounts(self._counted_back)
        items = [(report.gateway_id, sms, report.received_at) for report, sms in messages]
        came = await records.add_sms(self._connection, vault, items, counts, registered, book.news)
        facts.add_messages(came)
        made = [(report.gateway_id, call, report.received_at) for report, call in calls]
        await records.save_calls(self._connection, vault, made, counts, facts, registered, book.news)
        changes = counts.changes()
        before = (facts.by_sim.keys() | {key.imsi for key, _, _ in changes}) - asked  # other reports named these SIMs
        registered |= await holders.of_sims(self._connection, before)
        causes = {id(report): cause_of(report) for report, _ in stored}
        newest = {record.imsi: causes[id(report)] for report, record in stored if record.imsi}
        limited = {imsi: cause for imsi, cause in newest.items() if imsi in registered and registered[imsi].limited}
        outcome = await traffic.judge(self._connection, limited, self._now)
        outcome = outcome.plus(await self._judge(reports, facts, newest, registered, book, days))
        outcome = outcome.plus(await received.take_in(self._connection, vault, came, newest, self._now, registered))
        outcome = outcome.plus(await book.tell_accounts())
        changes = [change for change in changes if change[0].imsi in registered]
        await daily.add(self._connection, changes)
        await hotzone_alerts.note(self._connection, changes, newest, causes[id(stored[-1][0])], self._now)
        return outcome

    async def _judge(
        self,
        reports: Sequence[Report],
        facts: Facts,
        newest: Mapping[str, Cause],
        registered: Mapping[str, holders.Holder],
        book: RecordBook,
        days: Sequence[CounterDay],
    ) -> Outcome:
        """Tell who waits for records of single SIMs, and let rules count. `newest`: which report told of SIMs, by IMSI,
        where its record names them."""
        facts_of = {imsi: some for imsi, some in facts.by_sim.items() if imsi in registered}
        if not facts_of and not days and not book.news:
            return Outcome()
        told = {report.gateway_id: cause_of(report) for report in reports}
        outcome = await book.tell_sims(days, told)
        if not facts_of:
            return outcome
        causes = {imsi: newest.get(imsi) or told[facts.elements[imsi]] for imsi in facts_of}
        return outcome.plus(
            await risk_records.judge(self._connection, self._vault, facts_of, registered, causes, self._now)
        )

    async def _named(
        self, messages: list[tuple[Report, SmsRecord]], calls: list[tuple[Report, CallRecord]]
    ) -> tuple[list[tuple[Report, SmsRecord]], list[tuple[Report, CallRecord]]]:
        """Records without an IMSI get that of the SIM with their ICCID, else of the one last reported in their slot."""
        told: list[tuple[Report, SmsRecord | CallRecord]] = [*messages, *calls]
        nameless = [(r.gateway_id, each) for r, each in told if each.imsi is None]
        if not nameless:
            return messages, calls
        slots = {CardSlot(id_, each.port, each.slot or 0) for id_, each in nameless if each.port is not None}
        there = await ports.sims_at(self._connection, [slot.target for slot in slots]) if slots else {}
        lost = sorted({each.iccid for _, each in nameless if each.iccid is not None})
        imsis = await sim_names.imsi_of_iccid(self._connection, lost) if lost else {}
        return (
            [(r, with_sim(sms, r.gateway_id, there, imsis)) for r, sms in messages],
            [(r, with_sim(call, r.gateway_id, there, imsis)) for r, call in calls],
        )

    def _without_foreign(
        self, items: list[tuple[Report, R]], registered: Mapping[str, holders.Holder]
    ) -> list[tuple[Report, R]]:
        """Records of gateways that are pinned to an account are not kept under SIMs of other accounts."""
        kept = []
        for report, record in items:
            element = self._elements.get(report.gateway_id)
            pinned = None if element is None else element.account_id
            owner = registered.get(record.imsi or "") if pinned is not None else None
            if owner is not None and owner.account_id != pinned:
                self._doubts.of_record(DoubtKind.FOREIGN, report, record)
                kept.append((report, msgspec.structs.replace(record, imsi=None)))
            else:
                kept.append((report, record))
        return kept


def cause_of(report: Report, where: str | None = None) -> Cause:
    """What an event says about the report that led to it."""
    return Cause(CauseKind.REPORT, report.gateway_name, report.received_at, report.message, where)
