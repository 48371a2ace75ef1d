"""What a report has to prove before it lifts a bar or takes a SIM away from another gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from simwarden.domain import doubt as rules
from simwarden.domain.decision import Verdict
from simwarden.domain.doubt import DoubtKind
from simwarden.domain.place import Place, PlaceSource
from simwarden.domain.reports import Evidence, PortObservation, Report
from simwarden.domain.rules.area import lets_in
from simwarden.domain.rules.device import compare
from simwarden.domain.sim import BarCause, Sighting
from simwarden.store import sims

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import asyncpg

    from simwarden.domain.sim import CardSlot, Sim
    from simwarden.engine.doubts import Doubts
    from simwarden.engine.unit_of_work import UnitOfWork
    from simwarden.store.gateways import LockedGateway
    from simwarden.store.sims import Shown

_Newest = tuple["PortObservation", Report, int]


class BatchedSighting(msgspec.Struct, frozen=True):
    """A sighting on its way through a batch."""

    sighting: Sighting
    report: Report
    source: PortObservation | Evidence
    """What of the report it is taken from."""
    timed: bool
    """Carries its source's time, so it may come late."""


class Proof:
    """Of one batch. `gateways`: those that reported, as they were before it."""

    def __init__(self, connection: asyncpg.Connection, gateways: Mapping[int, LockedGateway], doubts: Doubts) -> None:
        self._connection = connection
        self._gateways = gateways
        self._doubts = doubts
        self._objections: list[tuple[str, str, str | None]] = []
        """IMSI, IMEI, and the account that the gateway is pinned to."""

    async def shown(self, changes: UnitOfWork, moving: list[BatchedSighting]) -> Mapping[str, Shown]:
        """Of SIMs whose state a report would change against what another report shows: where they are shown."""
        asked = set()
        for item in moving:
            sim = changes.sims.get(item.sighting.imsi)
            elsewhere = sim and sim.seen and sim.seen.slot and sim.seen.slot.gateway_id != item.report.gateway_id
            if sim is not None and (item.timed or elsewhere or sim.bar(BarCause.IMEI_MISMATCH) is not None):
                asked.add(sim.imsi)
        return await sims.confirmed(self._connection, sorted(asked)) if asked else {}

    def upholder(
        self, sim: Sim, sighting: Sighting, report: Report, there: Shown | None, newest: Mapping[CardSlot, _Newest]
    ) -> CardSlot | None:
        """Where another gateway than the one that reports showed the SIM within its report interval, and still does."""
        slot = sim.seen.slot if sim.seen else None
        if slot is None or there is None or slot.gateway_id == report.gateway_id or sighting.slot == slot:
            return None
        emptied = newest.get(slot)
        if emptied is not None and emptied[0].imsi != sim.imsi:
            return None  # in this very batch
        assert sim.seen is not None
        at = sim.upheld_at or max(sim.seen.at, there.status_at or sim.seen.at)
        return slot if report.received_at < rules.proven_at(at, there.report_interval) else None

    def must_wait(
        self, changes: UnitOfWork, sim: Sim, item: BatchedSighting, there: Shown | None, upholder: CardSlot | None
    ) -> bool:
        """Whether a report that shows a barred SIM in its own device has to wait for its proof: the gateway is asked.

        Anybody can invent one report. Proof is a status that we asked for, a report that proves itself, or that a
        further report says the same when no gateway has upheld the bar for longer than its interval. While another
        gateway shows the SIM, none of them is. While `upheld_at` is set, whatever shows the SIM in a wrong device is
        looked at, and takes it away.
        """
        if sim.bar(BarCause.IMEI_MISMATCH) is None or (
            upholder is None and (item.report.polled or item.report.authentic)
        ):
            return False
        now, interval = item.report.received_at, self._gateways[item.report.gateway_id].report_interval
        if there is not None:
            interval = max(interval, there.report_interval)
        if sim.upheld_at is None:
            upheld = [sim.seen.at] if sim.seen else [now]
            if there is not None:
                locked = self._gateways.get(there.gateway_id)
                status_at = locked.status_at if locked else there.status_at  # as it was before these reports
                upheld += [status_at] if status_at else []
            changes.wait_for_proof(sim.imsi, rules.pending_since(max(upheld), now, interval))
        elif item.sighting.at >= rules.proven_at(sim.upheld_at, interval):
            return False
        kind = DoubtKind.UNPROVEN if upholder is None else DoubtKind.CONFLICT
        self._doubts.of_sim(kind, item.report, item.sighting, against=upholder.gateway_id if upholder else None)
        return True

    def lets_in(self, sim: Sim, sighting: Sighting, report: Report) -> bool:
        """Whether a report shows a SIM, barred for having left its area, at a gateway whose site lies inside it.

        Nobody can prove that while another gateway shows the SIM: both are asked, and the one outside the area has to
        show it no longer, or has to be silent for longer than its interval.
        """
        site = self._gateways[report.gateway_id].site
        if site is None:
            return False
        at = sighting.at, PlaceSource.SITE, str(report.gateway_id)
        return lets_in(sim, Place(site.latitude, site.longitude, site.radius, *at))

    async def objecting(self) -> set[str]:
        """Of the SIMs that doubted reports show: those whose bar is about to be lifted. They uphold it."""
        shown = [imsi for imsi, _, _ in self._objections]
        return await sims.awaiting_proof(self._connection, shown) if shown else set()

    def object_later(self, gateway: LockedGateway, ports: Iterable[PortObservation]) -> None:
        """These slots are of a doubted report of this gateway."""
        self._objections += [(port.imsi, port.imei, gateway.account_id) for port in ports if port.imsi and port.imei]

    def object(self, changes: UnitOfWork) -> None:
        """Let the doubted reports uphold the bars of SIMs that they show in a wrong device."""
        for imsi, imei, pinned in self._objections:
            sim = changes.sims.get(imsi)
            if sim is None or sim.upheld_at is None or sim.binding is None or pinned not in (None, sim.account_id):
                continue
            if compare(sim.binding, imei)[0] is Verdict.MISMATCH:
                changes.wait_for_proof(imsi, None)
