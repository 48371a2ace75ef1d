"""May this SIM begin a data session here? A question is a sighting first, and is answered from what that led to.

So a bar that is committed refuses every session that is asked for afterwards, and one that asks from a wrong device is
refused by the bar that its own question raised. A device on a list that keeps it out (`domain/equipment.py`) is refused
with any SIM; the SIM is not barred for it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.admission import UNKNOWN_SIM, refusal, refusal_of_device
from simwarden.domain.reports import Evidence, Report
from simwarden.store import admissions, sessions
from simwarden.store.coalesce import Coalescer
from simwarden.store.listed_devices import ListedDevices

if TYPE_CHECKING:
    from datetime import datetime

    from simwarden.domain.sim import Sim
    from simwarden.engine.ingest import Ingest
    from simwarden.store.database import Database


class AdmissionRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A network element asks for one SIM."""

    element_id: int
    element_name: str
    at: datetime
    """When it was asked, by the element's clock or ours."""
    message: str
    """The protocol's name of the question, for people."""
    imsi: str | None = None
    msisdn: str | None = None
    """With its plus sign; names the SIM where there is no IMSI."""
    imei: str | None = None
    """14 digits; None when there is none that can be read."""
    apn: str | None = None
    cells: tuple[str, ...] = ()
    """See `SessionNote`, like `cells_at`."""
    cells_at: datetime | None = None


class AdmissionVerdict(msgspec.Struct, frozen=True):
    """The answer."""

    reason: str | None
    """Why not: a few words, the first of which is a code. None: it may begin."""
    known: bool = True
    """The SIM is registered, and for who asks; or the answer is the same for every SIM."""
    event: int = 0
    """Number of the newest event of the SIM when this was decided: what led to it stands there."""


_UNKNOWN = AdmissionVerdict(UNKNOWN_SIM, known=False)


class Admission:
    """Answers elements' questions, many at a time."""

    def __init__(self, db: Database, ingest: Ingest) -> None:
        self._db = db
        self._ingest = ingest
        self._sims: Coalescer[admissions.AtElement, Sim] = Coalescer(partial(admissions.at_elements, db))
        self._lists = ListedDevices(db)

    async def ask(self, question: AdmissionRequest) -> AdmissionVerdict:
        """Whether the session may begin; what the question shows of device and place is committed by then.

        Raises StoreUnavailable and UnacceptableReport.
        """
        imsi = question.imsi or await self._named(question.msisdn)
        if imsi is None:
            return await self._in_device(_UNKNOWN, question.imei)
        seen = Evidence(
            imsi=imsi,
            iccid=None,
            imei=question.imei,
            at=question.at,
            where=None if question.apn is None else f"APN {question.apn}",
            cells=question.cells,
            cells_at=question.cells_at,
        )
        await self._ingest.submit(
            Report(
                gateway_id=question.element_id,
                gateway_name=question.element_name,
                received_at=question.at,
                message=question.message,
                evidence=(seen,),
                authentic=True,
            )
        )
        return await self._in_device(await self.standing(question.element_id, imsi, question.apn), question.imei)

    async def standing(self, element_id: int, imsi: str, apn: str | None = None) -> AdmissionVerdict:
        """The same for a session that is there, by what is committed: whether it may go on. Raises StoreUnavailable."""
        sim = await self._sims.get(admissions.AtElement(element_id, imsi))
        return _UNKNOWN if sim is None else AdmissionVerdict(refusal(sim, apn), event=sim.event_count)

    async def _in_device(self, verdict: AdmissionVerdict, imei: str | None) -> AdmissionVerdict:
        """A verdict on a SIM, once its device was looked up in the lists."""
        if imei is None or (verdict.known and verdict.reason is not None):
            return verdict
        listed = refusal_of_device(await self._lists.lists_of(imei) or ())
        return verdict if listed is None else AdmissionVerdict(listed, event=verdict.event)

    async def _named(self, msisdn: str | None) -> str | None:
        if msisdn is None:
            return None
        async with self._db.connection() as connection:
            return (await sessions.imsi_of_msisdn(connection, [msisdn])).get(msisdn)
