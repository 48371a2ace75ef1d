"""The doubts of a batch of reports: gathered, written with it, and settled by a status that was asked for.

This is the one place where doubts arise; `write` is in the transaction of the reports. Each is a row of `gateway_doubt`
(store/doubts.py) and a count of `simwarden_doubts_total{kind}`. The kinds that need a person
raise the alarm REPORTS_DOUBTED in the same commit; a conflict does when it is refuted.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.alarm import AlarmKind, Trouble, of_gateway
from simwarden.domain.doubt import Doubt, DoubtKind, DoubtOutcome, claim_of
from simwarden.store import alarms
from simwarden.store import doubts as store

if TYPE_CHECKING:
    from datetime import datetime

    import asyncpg

    from simwarden.domain.reports import CallRecord, PortObservation, Report, SmsRecord
    from simwarden.domain.sim import Sighting

ROWS = 32
"""Rows that one batch writes about slots and SIMs of one gateway; the others are counted in one more row a kind."""
_ALARMING = (DoubtKind.JUMP, DoubtKind.NO_SUCH_PORT, DoubtKind.REPLAY, DoubtKind.FOREIGN)
_MUTE = (DoubtKind.FOREIGN, DoubtKind.DISAGREEMENT)
_Key = tuple[int, DoubtKind, str, int, int]


class Doubts:
    """Of one batch."""

    def __init__(self) -> None:
        self._found: dict[_Key, Doubt] = {}
        self._counts: Counter[_Key] = Counter()
        self._rows: Counter[int] = Counter()

    def __bool__(self) -> bool:
        return bool(self._found)

    def of_status(self, kind: DoubtKind, report: Report) -> None:
        """A whole status is doubted."""
        occupied = sum(1 for port in report.ports if port.imsi or port.iccid)
        said = f"{report.message} seq {report.sequence}, {occupied} SIMs in {len(report.ports)} slots"
        self._add(_doubt(kind, report, message=said, claim=claim_of(report.ports)))

    def of_port(self, kind: DoubtKind, report: Report, port: PortObservation) -> None:
        """What a report says of one slot is doubted."""
        self._add(
            _doubt(
                kind,
                report,
                message=f"{report.message} seq {port.sequence}",
                imsi=port.imsi or "",
                imei=port.imei,
                port=port.port,
                slot=port.slot,
                claim=claim_of([port]),
            )
        )

    def of_sim(self, kind: DoubtKind, report: Report, sighting: Sighting, *, against: int | None = None) -> None:
        """What a report says of one SIM is doubted; `against`: because of what this other gateway shows."""
        slot = sighting.slot
        self._add(
            _doubt(
                kind,
                report,
                message=report.message,
                imsi=sighting.imsi,
                imei=sighting.imei,
                port=slot.port if slot else 0,
                slot=slot.slot if slot else 0,
                against=against,
            )
        )

    def of_record(self, kind: DoubtKind, report: Report, record: SmsRecord | CallRecord) -> None:
        """A message or call is doubted that a report ascribes to a SIM; once with what the report says of the SIM."""
        doubt = _doubt(
            kind, report, message=report.message, imsi=record.imsi or "", port=record.port or 0, slot=record.slot or 0
        )
        if _key(doubt) not in self._found:
            self._add(doubt)

    def _add(self, doubt: Doubt) -> None:
        key = _key(doubt)
        if key not in self._found:
            if self._rows[doubt.gateway_id] >= ROWS and (doubt.imsi or doubt.port):
                doubt = msgspec.structs.replace(doubt, imsi="", port=0, slot=0, imei=None, claim=b"")
                key = _key(doubt)
            else:
                self._rows[doubt.gateway_id] += 1
        self._found[key] = doubt
        self._counts[key] += 1

    async def write(self, connection: asyncpg.Connection, now: datetime) -> dict[str, int]:
        """Write them, and have the gateways asked that can tell; returns how many there were of each kind."""
        ordered = sorted(self._found)
        await store.add(connection, [(self._found[key], self._counts[key]) for key in ordered])
        # Of a conflict the gateway that showed the SIM before is asked first: what it says decides.
        troubles = [
            of_gateway(AlarmKind.REPORTS_DOUBTED, d.gateway_id, reason=f"{d.kind}, {d.message}")
            for d in self._found.values()
            if d.kind in _ALARMING
        ]
        if troubles:
            await alarms.raise_all(connection, troubles, now)
        # Which account a SIM belongs to no gateway can tell, nor what another element sees.
        asked = {d.gateway_id if d.against is None else d.against for d in self._found.values() if d.kind not in _MUTE}
        if asked:
            await store.ask(connection, sorted(asked), now)
        kinds: Counter[str] = Counter()
        for key, count in self._counts.items():
            kinds[str(self._found[key].kind)] += count
        return dict(kinds)


async def settle(connection: asyncpg.Connection, report: Report, now: datetime) -> None:
    """A gateway told its status when it was asked: what that says about the doubts that were open by then."""
    shows = {port.imsi for port in report.ports if port.imsi}
    at = {(port.port, port.slot): port for port in report.ports}
    devices = {(port.imsi, port.imei) for port in report.ports if port.imsi}
    outcomes: dict[int, DoubtOutcome] = {}
    gone: set[int] = set()
    troubles: list[Trouble] = []
    for doubt in await store.open_for(connection, report.gateway_id, report.received_at):
        if doubt.against == report.gateway_id:
            confirmed = doubt.imsi not in shows
            if confirmed:
                gone.add(doubt.gateway_id)
            else:  # where a SIM moves, two gateways may show it for a moment: a conflict alone is no alarm
                reason = f"{doubt.kind}, SIM {doubt.imsi} is still at gateway {report.gateway_name}"
                troubles.append(of_gateway(AlarmKind.REPORTS_DOUBTED, doubt.gateway_id, reason=reason))
        elif doubt.against is not None:
            continue  # the other gateway decides
        elif doubt.kind in (DoubtKind.UNPROVEN, *_MUTE):
            confirmed = (doubt.imsi, doubt.imei) in devices
        elif doubt.port:
            port = at.get((doubt.port, doubt.slot))
            confirmed = port is not None and claim_of([port]) == doubt.claim
        else:
            confirmed = claim_of(report.ports) == doubt.claim
        outcomes[doubt.id] = DoubtOutcome.CONFIRMED if confirmed else DoubtOutcome.REFUTED
    if outcomes:
        await store.settle(connection, outcomes, now)
    if troubles:
        await alarms.raise_all(connection, troubles, now)
    await store.answered(connection, report.gateway_id, now)
    if gone:  # who showed the SIM before does not any more: now it is the claim's turn
        await store.ask(connection, sorted(gone), now)


def _doubt(kind: DoubtKind, report: Report, **fields: object) -> Doubt:
    return Doubt(kind=kind, gateway_id=report.gateway_id, at=report.received_at, **fields)  # type: ignore[arg-type]


def _key(doubt: Doubt) -> _Key:
    return doubt.gateway_id, doubt.kind, doubt.imsi, doubt.port, doubt.slot
