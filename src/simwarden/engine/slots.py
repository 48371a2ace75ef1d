"""What the reports of a batch say of the slots of SIM gateways, in the order of their numbers, and what is new."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from simwarden.domain.doubt import DoubtKind
from simwarden.domain.report_order import (
    ReportOrder,
    doubt_port,
    follow_poll,
    follow_port,
    follow_status,
    may_be_overtaken,
)
from simwarden.domain.sim import CardSlot
from simwarden.store import gateways, ports

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import asyncpg

    from simwarden.domain.reports import PortObservation, Report
    from simwarden.engine.doubts import Doubts
    from simwarden.engine.proof import Proof


class Number(NamedTuple):
    """Which report of a slot is the newest."""

    boot: int
    sequence: int | None
    at: datetime
    """When it came."""


Numbers = dict[CardSlot, Number]
"""A report that says what is stored already is not written, so its number is known only to who read it; a report that
comes late must not slip in behind it."""


class SlotReports:
    """Of one transaction."""

    def __init__(
        self,
        connection: asyncpg.Connection,
        reports: Sequence[Report],
        elements: dict[int, gateways.LockedGateway],
        doubts: Doubts,
        proof: Proof,
        known: Numbers,
    ) -> None:
        """`elements`: filled with those that report, as they were before. `known`: numbers that were read before."""
        self._connection = connection
        self._reports = reports
        self._gateways = elements
        self._doubts = doubts
        self._proof = proof
        self._known = known
        self.ports: list[tuple[CardSlot, PortObservation, Report, int]] = []
        """What is believed: slot, observation, its report, and the boot that it is of."""
        self.changed: dict[CardSlot, ports.StoredPort | None] = {}
        """Slots of which something else is reported than is stored, and what is stored."""
        self.newest: dict[CardSlot, tuple[PortObservation, Report, int]] = {}
        """Of those the newest observation, its report and boot."""
        self.numbers: Numbers = {}
        """The newest numbers, for the next batch."""
        self.late = 0
        """Observations that are doubted."""
        self.back: list[int] = []
        """Elements that could not be reached by commands until now."""
        self.silent: list[int] = []
        """Elements whose silence was raised as an alarm."""

    async def hear(self) -> None:
        """Lock the elements that report, and follow their counters; keep the slots of the reports that are believed."""
        locked = await gateways.lock(self._connection, list({report.gateway_id for report in self._reports}))
        heard: dict[int, gateways.Heard] = {}
        for report in self._reports:
            gateway = locked.get(report.gateway_id)
            if gateway is None:
                continue  # removed meanwhile: its ports have nowhere to be kept
            told = heard.get(gateway.id)
            if told is None:
                told = gateways.Heard(id=gateway.id, at=report.received_at, order=gateway.order)
                heard[gateway.id] = told
            order, doubt = _follow(told.order, report, gateway.report_interval)
            told.at = max(report.received_at, told.at)
            told.reports += 1
            if order is not told.order:
                told.order = order
                told.renumbered = order.boot_digests != gateway.order.boot_digests or order.lines != gateway.order.lines
            if doubt is None:
                told.status_at = report.received_at if report.whole else told.status_at
                told.facts = report.facts or told.facts
                self.ports += [
                    (CardSlot(gateway.id, port.port, port.slot), port, report, order.boot) for port in report.ports
                ]
            else:
                self.late += len(report.ports)
                self._doubts.of_status(doubt, report)
                self._proof.object_later(gateway, report.ports)
        self._gateways.update(locked)
        self.back = sorted(gateway.id for gateway in locked.values() if gateway.unreachable)
        self.silent = [gateway.id for gateway in locked.values() if gateway.silent]
        if heard:
            await gateways.heard(self._connection, [heard[id_] for id_ in sorted(heard)])

    async def compare(self, fresh_since: datetime) -> None:
        """Find the slots that changed, or were last written before this, and their newest observation.

        Late ones are taken out of the batch altogether.
        """
        self.changed = await ports.changed_ports(
            self._connection, [(slot, seen, boot) for slot, seen, _, boot in self.ports], fresh_since
        )
        kept = []
        for item in self.ports:
            slot, port, report, boot = item
            if slot in self.changed:
                doubt = self._doubt(slot, port, boot, report, self.changed[slot])
                if doubt is not None:
                    self.late += 1
                    self._doubts.of_port(doubt, report, port)
                    self._proof.object_later(self._gateways[slot.gateway_id], [port])
                    continue
                self.newest[slot] = (port, report, boot)
            if port.sequence is not None:
                read = self._read(slot)
                if (
                    read is None
                    or report.polled
                    or slot in self.newest
                    or doubt_port(boot, port.sequence, read.boot, read.sequence) is None
                ):
                    self.numbers[slot] = Number(boot, port.sequence, report.received_at)
            kept.append(item)
        self.ports = kept

    def _read(self, slot: CardSlot) -> Number | None:
        return self.numbers.get(slot) or self._known.get(slot)

    def _doubt(
        self, slot: CardSlot, port: PortObservation, boot: int, report: Report, stored: ports.StoredPort | None
    ) -> DoubtKind | None:
        """Why a port object is doubted. One of a whole status in its order is so only while another may have overtaken
        it on the way: later, the number before was wrong."""
        if report.polled:
            return None
        gateway = self._gateways[slot.gateway_id]
        if not report.whole and gateway.max_ports and port.port > gateway.max_ports:
            return DoubtKind.NO_SUCH_PORT
        interval = gateway.report_interval
        written = None if stored is None else Number(stored.boot, stored.sequence, stored.reported_at)
        before = [self._read(slot), written]
        for known in before:
            if known is None or (report.whole and not may_be_overtaken(known.at, report.received_at, interval)):
                continue
            doubt = doubt_port(boot, port.sequence, known.boot, known.sequence)
            if doubt is not None:
                return doubt
        return None

    async def save(self) -> None:
        """Write what is new."""
        if not self.newest:
            return
        items = [(slot, port, boot, report.received_at) for slot, (port, report, boot) in self.newest.items()]
        await ports.save_ports(self._connection, items)
        grown = {slot.gateway_id for slot in self.newest if self.changed[slot] is None}
        if grown:
            await ports.prune_ports(self._connection, sorted(grown))


def _follow(order: ReportOrder, report: Report, interval: int) -> tuple[ReportOrder, DoubtKind | None]:
    if report.polled:
        return follow_poll(order, report.sequence, report.received_at), None
    if report.whole:
        return follow_status(order, report.sequence, report.digest, report.received_at, interval)
    if not report.ports:
        return order, None
    return follow_port(order, report.received_at, interval), None
