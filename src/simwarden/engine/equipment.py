"""Equipment checks: a network element asks whether a device may be used, mostly with the SIM that is in it.

The verdict is what the engine's own rules make of the sighting, with the operator's lists of devices. A check that
changes something of the SIM (another device, a first one, a bar) is answered after that is committed. One that repeats
what is stored changes nothing, and is answered from one look-up, gathered with those of other checks; the coarse time
of the SIM's last sighting is then written behind the answer.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain import rules
from simwarden.domain.equipment import EquipmentStatus, judge, listed
from simwarden.domain.events import Cause, CauseKind
from simwarden.domain.reports import Evidence, Report
from simwarden.domain.sim import BindingState, Sighting
from simwarden.engine.behind import WrittenBehind
from simwarden.kit.clock import now_utc
from simwarden.store import sessions
from simwarden.store.coalesce import Coalescer
from simwarden.store.equipment import Pair, PairRecord, known

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from simwarden.domain.decision import Decision
    from simwarden.domain.sim import Sim
    from simwarden.engine.ingest import Ingest
    from simwarden.store.database import Database

MESSAGE = "equipment-check"


class Asker(msgspec.Struct, frozen=True):
    """The registered network element that asks."""

    id: int
    name: str
    account_id: str | None = None
    """It asks for SIMs of this account alone: of others' it learns what it would of unknown ones."""


class EquipmentPolicy(msgspec.Struct, frozen=True):
    """What the operator chose."""

    unlisted: EquipmentStatus = EquipmentStatus.WHITELISTED
    """Said of a device that is on no list."""
    mismatch: EquipmentStatus = EquipmentStatus.BLACKLISTED
    """Said of a device that the binding bars its SIM in."""


class EquipmentChecks:
    """Of one worker process."""

    def __init__(
        self,
        db: Database,
        ingest: Ingest,
        policy: EquipmentPolicy,
        *,
        clock: Callable[[], datetime] = now_utc,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._db = db
        self._ingest = ingest
        self._policy = policy
        self._clock = clock
        self._behind = WrittenBehind(ingest, monotonic=monotonic)
        self._known: Coalescer[Pair, PairRecord] = Coalescer(partial(known, db))

    async def check(
        self, asker: Asker, imei: str | None, imsi: str | None, msisdn: str | None = None
    ) -> EquipmentStatus:
        """The verdict on a device by 14 digits; None: it has no IMEI that can be read. `msisdn` names the SIM where
        there is no `imsi`.

        Raises StoreUnavailable, UnacceptableReport.
        """
        if imsi is None and msisdn is not None:
            imsi = await self._imsi_of(msisdn)
        stored = await self._known.get(Pair(imsi, imei))
        assert stored is not None
        sim = stored.sim
        by_lists = listed(stored.lists, EquipmentStatus.UNKNOWN if imei is None else self._policy.unlisted)
        now = self._clock()
        if sim is None or asker.account_id not in (None, sim.account_id):
            self._hear(asker, now)
            return by_lists
        sighting = Sighting(imsi=sim.imsi, imei=imei, at=max(now, sim.seen.at) if sim.seen else now)
        decision = rules.decide(sim, sighting, now, Cause(CauseKind.REPORT, asker.name, now, MESSAGE))
        report = _report(asker, now, Evidence(imsi=sim.imsi, iccid=None, imei=imei, at=now, where=MESSAGE))
        if _changes(sim, decision):
            await self._ingest.submit(report)
            self._behind.heard(asker.id)
        else:
            aged = sim.seen is None or now - sim.seen.at >= self._ingest.refresh
            self._hear(asker, now, report if aged else None)
        return judge(by_lists, decision, self._policy.mismatch)

    async def drain(self) -> None:
        """Wait until what is written behind answers is written."""
        await self._behind.drain()

    async def _imsi_of(self, msisdn: str) -> str | None:
        async with self._db.connection() as connection:
            return (await sessions.imsi_of_msisdn(connection, [msisdn])).get(msisdn)

    def _hear(self, asker: Asker, now: datetime, report: Report | None = None) -> None:
        """Note behind the answer that the element asked, and what of its report is only a newer time."""
        if report is not None or self._behind.is_due(asker.id):
            self._behind.note(report or _report(asker, now))


def _changes(sim: Sim, decision: Decision) -> bool:
    """Whether a sighting changes more than the time of the last one."""
    before = msgspec.structs.replace(sim, seen=None)
    after = msgspec.structs.replace(decision.sim, seen=None)
    if decision.events or before != after or sim.upheld_at is not None or sim.state is BindingState.ARMED:
        return True
    return sim.seen is None or decision.sim.seen is None or sim.seen.imei != decision.sim.seen.imei


def _report(asker: Asker, now: datetime, *evidence: Evidence) -> Report:
    return Report(
        gateway_id=asker.id,
        gateway_name=asker.name,
        received_at=now,
        message=MESSAGE,
        evidence=evidence,
        authentic=True,
    )
