"""One batch of reports within one transaction: what they say is followed, compared, decided and written.

A SIM seen again where it was costs a probe of an index; only what may change something is locked, decided and written.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain import rules
from simwarden.domain.alarm import AlarmKind, Trouble, gateway_key, of_gateway
from simwarden.domain.decision import Verdict
from simwarden.domain.doubt import DoubtKind
from simwarden.domain.events import EventType
from simwarden.domain.reports import Evidence
from simwarden.domain.session import News
from simwarden.domain.sim import ALL_FUNCTIONS, BarCause, CardSlot, Function, NetworkTarget, Sighting
from simwarden.engine import areas, courses, disagreement, geofences, standing_watch
from simwarden.engine.counters import CounterBook, CounterMarks
from simwarden.engine.doubts import Doubts, settle
from simwarden.engine.places import PlaceBook
from simwarden.engine.proof import BatchedSighting, Proof
from simwarden.engine.records import BatchRecords, cause_of
from simwarden.engine.sessions import SessionBook
from simwarden.engine.slots import Numbers, SlotReports
from simwarden.engine.subscribers import SubscriberBook
from simwarden.engine.unit_of_work import Outcome, TargetView, UnitOfWork
from simwarden.store import alarms, attachments, ports, sim_names, sims
from simwarden.store.places import CellReport

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from datetime import timedelta

    import asyncpg

    from simwarden.domain.events import Cause
    from simwarden.domain.reports import PortObservation, Report
    from simwarden.store.gateways import LockedGateway
    from simwarden.store.vault import Vault


class Tally(msgspec.Struct):
    """What became of a batch; added up for the metrics."""

    reports: int = 0
    sightings: int = 0
    unknown_sims: int = 0
    late: int = 0
    """Port objects and sightings that a newer report had overtaken."""
    sessions: dict[str, int] = {}
    """Reports of data sessions, by what they changed."""
    unknown_cells: int = 0
    """SIMs that came into a cell of which no position is known."""
    doubts: dict[str, int] = {}
    """Doubted reports, or slots and SIMs in them, by kind."""
    outcome: Outcome = Outcome()


class Batch:
    """One transaction's worth of reports."""

    def __init__(
        self,
        connection: asyncpg.Connection,
        reports: Sequence[Report],
        refresh: timedelta,
        clock: Callable[[], datetime],
        known: Numbers,
        vault: Vault | None,
        counted_back: timedelta,
        marks: CounterMarks,
    ) -> None:
        self._connection = connection
        self._reports = reports
        self._refresh = refresh
        self._clock = clock
        self._now = clock()
        self._tally = Tally(reports=len(reports))
        self._switched: dict[str, Cause] = {}
        self._gateways: dict[int, LockedGateway] = {}
        self._troubles: list[Trouble] = []
        self._doubts = Doubts()
        self._proof = Proof(connection, self._gateways, self._doubts)
        self._slots = SlotReports(connection, reports, self._gateways, self._doubts, self._proof, known)
        self._records = BatchRecords(connection, self._gateways, self._doubts, vault, counted_back, self._now)
        self._sessions = SessionBook(connection, self._gateways, refresh)
        self._subscribers = SubscriberBook(connection, self._gateways)
        self._places = PlaceBook(connection, refresh, self._now)
        self._counters = CounterBook(connection, self._gateways, marks)

    @property
    def numbers(self) -> Numbers:
        """The newest numbers that were read, for the next batch."""
        return self._slots.numbers

    @property
    def marks(self) -> CounterMarks:
        """What slots show of their SIMs' counters, for the next batch."""
        return self._counters.marks

    async def run(self) -> Tally:
        await self._slots.hear()
        told = len(self._reports)
        self._reports = await courses.count(self._connection, self._reports, self._gateways, self._refresh)
        if self._reports:
            await self._take_in()
        counted = told - len(self._reports)
        if counted:
            self._tally.sightings += counted
            self._tally.sessions[News.WENT_ON] = self._tally.sessions.get(News.WENT_ON, 0) + counted
        if self._slots.back:
            await attachments.retry_now(self._connection, self._slots.back, self._now)
            await attachments.wake(self._connection)
            self._tally.outcome = msgspec.structs.replace(self._tally.outcome, enforcement_due=True)
        if self._troubles:
            await alarms.raise_all(self._connection, self._troubles, self._now)
        if self._slots.silent:
            keys = [gateway_key(AlarmKind.GATEWAY_SILENT, id_) for id_ in self._slots.silent]
            await alarms.clear_all(self._connection, keys, self._now, "The gateway reports again")
        return self._tally

    async def _take_in(self) -> None:
        """What is more than a session that goes on."""
        await self._slots.compare(self._now - self._refresh)
        self._tally.late = self._slots.late
        await self._sessions.follow(self._reports)
        self._tally.sessions = dict(self._sessions.news)
        await self._subscribers.follow(self._reports)
        self._tally.unknown_sims += self._subscribers.unknown
        seen = await self._sightings()
        await self._change_sims(seen)
        await self._slots.save()
        await self._tell_standing(seen)
        await self._counters.follow(self._slots.ports, self._slots.newest)
        stored = await self._records.store(self._reports, self._counters, self._sessions.uses)
        self._tally.outcome = self._tally.outcome.plus(stored)
        if self._doubts:
            self._tally.doubts = await self._doubts.write(self._connection, self._now)
        for report in self._reports:
            if report.polled and report.gateway_id in self._gateways:
                await settle(self._connection, report, self._now)

    async def _sightings(self) -> list[BatchedSighting]:
        """Everything in the batch that tells which device a SIM is in, in the order in which it came."""
        found: list[tuple[Report, PortObservation | Evidence, datetime, CardSlot | None]] = [
            (report, port, report.received_at, slot)
            for slot, port, report, _ in self._slots.ports
            if port.imsi or port.iccid
        ]
        records = [(report, item) for report in self._reports for item in report.evidence]
        for report, item in records + self._sessions.evidence + self._subscribers.evidence:
            if report.gateway_id in self._gateways:  # else removed meanwhile: its slots are nowhere
                found.append((report, item, min(item.at, report.received_at), _slot_of(report, item)))
        lost = sorted({item.iccid for _, item, _, _ in found if item.iccid and not item.imsi})
        imsis = await sim_names.imsi_of_iccid(self._connection, lost) if lost else {}
        seen = []
        for report, told, at, slot in found:
            imsi = told.imsi or imsis.get(told.iccid or "")
            if imsi is None:
                self._tally.unknown_sims += 1
                continue
            record = told if isinstance(told, Evidence) else None
            sighting = Sighting(
                imsi=imsi,
                imei=told.imei,
                at=at,
                slot=slot,
                iccid=told.iccid if told.imsi else None,
                since=record.since if record else None,
            )
            seen.append(BatchedSighting(sighting, report, told, record is not None))
        self._tally.sightings = len(seen) + self._tally.unknown_sims
        return seen

    async def _cells(self, seen: Sequence[BatchedSighting]) -> list[CellReport]:
        """What sightings say of cells, of SIMs that may say so to this element."""
        told = [(item, item.source) for item in seen if isinstance(item.source, Evidence) and item.source.cells]
        pinned = {item.sighting.imsi for item, _ in told if self._gateways[item.report.gateway_id].account_id}
        owners = await sims.accounts_of(self._connection, sorted(pinned)) if pinned else {}
        found = []
        for item, evidence in told:
            sighting, account_id = item.sighting, self._gateways[item.report.gateway_id].account_id
            if account_id is None or owners.get(sighting.imsi) == account_id:
                cell, *around = evidence.cells
                at = min(evidence.cells_at or sighting.at, sighting.at)
                found.append(CellReport(sighting.imsi, cell, next(iter(around), None), at, sighting.imei, None))
        return found

    async def _change_sims(self, seen: list[BatchedSighting]) -> None:
        changed, newest = self._slots.changed, self._slots.newest
        moving: set[str] = set()
        if seen:
            moving, unknown = await sims.interesting(self._connection, [item.sighting for item in seen], self._refresh)
            self._tally.unknown_sims += unknown
            # Who is new in a slot may have been there before, and another SIM since.
            taken = {slot for slot, (port, _, _) in newest.items() if _occupant(changed[slot]) != port.imsi}
            moving |= {item.sighting.imsi for item in seen if item.sighting.slot in taken}
        # A single port's report, or a status we asked for, may be the proof of a command even if nothing changed.
        watched = {slot: (port, report) for slot, (port, report, _) in newest.items()}
        watched |= {
            slot: (port, report) for slot, port, report, _ in self._slots.ports if report.polled or not report.whole
        }
        targets = [slot.target for slot in watched]
        attached = await attachments.at_targets(self._connection, targets) if targets else set()
        objecting = await self._proof.objecting()
        shown = await self._sessions.to_be_shown()
        travelling = await self._places.compare(self._sessions.cells + await self._cells(seen))
        concerned = moving | attached | objecting | travelling | {imsi for imsi, _, _ in shown}
        concerned |= {note.imsi for _, note in self._subscribers.shown}
        if not concerned:
            return
        changes = UnitOfWork(self._connection, self._now)
        await changes.lock(concerned)
        news = [item for item in seen if item.sighting.imsi in moving]
        views = await self._views(changed, watched, news)
        await self._decide(changes, news, views)
        self._proof.object(changes)
        for slot, (port, report) in watched.items():
            changes.observe(slot.target, views[slot.target], cause_of(report, _where(slot, port)))
        for slot, (port, _, _) in newest.items():
            changes.vacate(slot.target, port.imsi, port.iccid)
        for imsi, target, report in shown:
            off = 0 if target in self._sessions.live else int(Function.DATA)
            held = int(Function.DATA) if target in self._sessions.restricted else None
            changes.show(imsi, target, (Function.DATA,), off, cause_of(report), held=held)
        for report, note in self._subscribers.shown:
            if note.imsi in changes.sims:
                changes.show_subscriber(report.gateway_id, note, cause_of(report, "subscriber"))
        here = {slot.target for slot in watched}
        lifted = [target for target in here if views[target].ours and changes.is_done_with(target, views[target])]
        moved = await self._places.follow(changes, {item.sighting.imsi for item in news if not item.timed})
        self._tally.unknown_cells = self._places.unknown_cells
        causes = self._causes_of_moves(moved, seen) if moved else {}
        if moved:
            areas.see(changes, moved, self._now, causes)
        outcome = await changes.write(shown_later=True)
        self._switched = changes.switched()
        if moved:
            outcome = outcome.plus(await geofences.judge(self._connection, moved, self._now, causes))
        if lifted:
            await ports.forget_locks(self._connection, lifted)
        self._tally.outcome = outcome

    def _causes_of_moves(self, moved: Collection[str], seen: list[BatchedSighting]) -> dict[str, Cause]:
        """What showed that SIMs, by IMSI, are elsewhere: a report of a session, or a sighting."""
        causes = {imsi: cause_of(report) for imsi, report in self._sessions.carried().items() if imsi in moved}
        seen = [item for item in seen if item.sighting.imsi in moved]
        return causes | {
            item.sighting.imsi: cause_of(item.report, _where(item.sighting.slot, item.source)) for item in seen
        }

    async def _tell_standing(self, seen: list[BatchedSighting]) -> None:
        """Whose slot or session shows something else, or whose functions were switched, may be reached otherwise."""
        causes = {imsi: cause_of(report, where) for imsi, (report, where) in self._sessions.written.items()}
        for slot, (port, report, _) in self._slots.newest.items():
            left = self._slots.changed[slot]
            for imsi in {port.imsi, left.imsi if left is not None else None} - {None}:
                causes[str(imsi)] = cause_of(report, _where(slot, port))
        for item in seen:
            if item.sighting.slot in self._slots.newest:
                causes.setdefault(item.sighting.imsi, cause_of(item.report, _where(item.sighting.slot, item.source)))
        causes |= self._switched
        outcome = await standing_watch.judge(self._connection, causes, self._now)
        self._tally.outcome = self._tally.outcome.plus(outcome)

    async def _decide(
        self, changes: UnitOfWork, moving: list[BatchedSighting], views: dict[NetworkTarget, TargetView]
    ) -> None:
        shown = await self._proof.shown(changes, moving)
        for item in moving:
            sim = changes.sims.get(item.sighting.imsi)
            if sim is None:
                continue
            sighting, gateway = item.sighting, self._gateways[item.report.gateway_id]
            if gateway.account_id not in (None, sim.account_id):
                self._doubts.of_sim(DoubtKind.FOREIGN, item.report, sighting)
                continue
            there = shown.get(sim.imsi)
            if item.timed:
                sighting = msgspec.structs.replace(sighting, confirmed_at=there.status_at if there else None)
            elif sim.seen is not None and sim.seen.at > self._clock():
                # A time still to come is from before the clock was set back: what is received now is newer.
                sim = msgspec.structs.replace(sim, seen=msgspec.structs.replace(sim.seen, at=sighting.at))
            upholder = self._proof.upholder(sim, sighting, item.report, there, self._slots.newest)
            decision = rules.decide(sim, sighting, self._now, cause_of(item.report, _where(sighting.slot, item.source)))
            if decision.verdict is Verdict.STALE:
                self._tally.late += 1
                if await disagreement.against_stale(self._connection, sim, sighting, item.report):
                    self._doubts.of_sim(DoubtKind.DISAGREEMENT, item.report, sighting)
                continue
            opens = (decision.sim.bars, decision.sim.state) != (sim.bars, sim.state)
            if (
                decision.verdict is Verdict.MATCH
                and opens
                and self._proof.must_wait(changes, sim, item, there, upholder)
            ):
                continue
            if upholder is not None and (sim.binding is not None or sim.functions_off):
                self._doubts.of_sim(DoubtKind.CONFLICT, item.report, sighting, against=upholder.gateway_id)
            # A wrong device is barred at once wherever it is shown, and lifts nothing.
            barred_anyhow = decision.sim.bar(BarCause.IMEI_MISMATCH) is not None
            if upholder is not None and not barred_anyhow and self._proof.lets_in(sim, sighting, item.report):
                continue
            for event in decision.events:
                if event.type is EventType.SIM_IDENTITY_CONFLICT:
                    facts = {"imsi": sim.imsi, **event.data}
                    self._troubles.append(of_gateway(AlarmKind.SIM_IDENTITY, item.report.gateway_id, **facts))
            other = await disagreement.against_change(self._connection, sim, sighting, decision, item.report)
            if other is not None:
                self._doubts.of_sim(DoubtKind.DISAGREEMENT, item.report, sighting)
                decision = disagreement.told(decision, other)
            changes.decide(decision, views, () if upholder is None else (upholder.target,))

    async def _views(
        self,
        changed: dict[CardSlot, ports.StoredPort | None],
        watched: dict[CardSlot, tuple[PortObservation, Report]],
        news: list[BatchedSighting],
    ) -> dict[NetworkTarget, TargetView]:
        """What is known of every slot that matters here; of those that did not change it is read from the store."""
        locked = {slot: port.locked for slot, port, _, _ in self._slots.ports}
        wanted = watched.keys() | {item.sighting.slot for item in news if item.sighting.slot}
        missing = [slot.target for slot in wanted - changed.keys()]
        ours = await ports.locked_by_us(self._connection, missing) if missing else set()
        ours |= {slot.target for slot, known in changed.items() if known and known.locked_by_us}
        return {slot.target: TargetView(_off(locked=locked.get(slot, False)), slot.target in ours) for slot in wanted}


def _off(*, locked: bool | None) -> int | None:
    """What a lock keeps off; None where the slot does not show whether it is locked."""
    return None if locked is None else int(ALL_FUNCTIONS) if locked else 0


def _occupant(known: ports.StoredPort | None) -> str | None:
    return None if known is None else known.imsi


def _slot_of(report: Report, item: Evidence) -> CardSlot | None:
    return None if item.port is None else CardSlot(report.gateway_id, item.port, item.slot)


def _where(slot: CardSlot | None, told: PortObservation | Evidence) -> str | None:
    """What of its report an observation or a record is of, for people."""
    if isinstance(told, Evidence) and told.where is not None:
        return told.where
    if slot is None:
        return None
    sequence = None if isinstance(told, Evidence) else told.sequence
    where = f"port {slot.port}" + (f".{slot.slot:02}" if slot.slot else "")
    return where + ("" if sequence is None else f" seq {sequence}")
