"""May this SIM begin a data session here? A question is a sighting first, and is answered from what that led to.

So a bar that is committed refuses every session that is asked for afterwards, and one that asks from a wrong device is
refused by the bar that its own question raised. A device on a list that keeps it out (`domain/equipment.py`) is refused
with any SIM; the SIM is not barred for it.

A question that shows nothing new is answered from the lookup that found so, gathered with those of other questions; the
coarse time of the sighting is then written behind the answer.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.admission import UNKNOWN_SIM, refusal, refusal_of_device
from simwarden.domain.reports import Evidence, Report
from simwarden.engine.behind import WrittenBehind
from simwarden.store import admissions, sessions
from simwarden.store.coalesce import Coalescer
from simwarden.store.listed_devices import ListedDevices

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from simwarden.domain.equipment import DeviceList
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
        self._behind = WrittenBehind(ingest)
        self._asked: Coalescer[admissions.ShownSim, admissions.ComparedSim] = Coalescer(
            lambda asked: admissions.compare(db, ingest.refresh, asked)
        )
        self._sims: Coalescer[admissions.AtElement, Sim] = Coalescer(partial(admissions.at_elements, db))
        self._lists = ListedDevices(db)

    async def ask(self, *questions: AdmissionRequest) -> list[AdmissionVerdict]:
        """Whether each session may begin, by questions of one element; what they show of device and place is committed
        by then.

        Raises StoreUnavailable and UnacceptableReport.
        """
        names = await self._names(questions)
        looked_up = [
            None if imsi is None else self._asked.get(_shown(question, imsi))
            for question, imsi in zip(questions, names, strict=True)
        ]
        lists = [None if each.imei is None else self._lists.lists_of(each.imei) for each in questions]
        found = [None if each is None else await each for each in looked_up]
        new: list[tuple[str, Report]] = []
        for question, imsi, known in zip(questions, names, found, strict=True):
            if imsi is None:
                continue
            if known is None or known.news:
                new.append((imsi, _report(question, imsi)))
            elif known.aged or self._behind.is_due(question.element_id):
                self._behind.note(_report(question, imsi))
        decided: dict[str, asyncio.Future[Sim | None]] = {}
        if new:
            await self._ingest.submit(*(report for _, report in new))
            self._behind.heard(questions[0].element_id)
            decided = {imsi: self._sims.get(admissions.AtElement(questions[0].element_id, imsi)) for imsi, _ in new}
        verdicts = []
        for question, imsi, known in zip(questions, names, found, strict=True):
            sim = await decided[imsi] if imsi in decided else known and known.sim
            verdicts.append(_verdict(sim, question.apn, question.imei))
        return [await _in_device(*each) for each in zip(verdicts, lists, strict=True)]

    async def standing(self, element_id: int, imsi: str, apn: str | None = None) -> AdmissionVerdict:
        """The same for a session that is there, by what is committed: whether it may go on. Raises StoreUnavailable."""
        return _verdict(await self._sims.get(admissions.AtElement(element_id, imsi)), apn)

    async def _names(self, questions: Sequence[AdmissionRequest]) -> list[str | None]:
        """The IMSI of each question's SIM, as far as there is one."""
        numbers = {each.msisdn for each in questions if each.imsi is None and each.msisdn is not None}
        by_number: dict[str, str] = {}
        if numbers:
            async with self._db.connection() as connection:
                by_number = await sessions.imsi_of_msisdn(connection, sorted(numbers))
        return [each.imsi or by_number.get(each.msisdn or "") for each in questions]


def _verdict(sim: Sim | None, apn: str | None, imei: str | None = None) -> AdmissionVerdict:
    return _UNKNOWN if sim is None else AdmissionVerdict(refusal(sim, apn, imei), event=sim.event_count)


async def _in_device(
    verdict: AdmissionVerdict, lists: asyncio.Future[Collection[DeviceList] | None] | None
) -> AdmissionVerdict:
    """A verdict on a SIM, in a device that is on these lists."""
    if lists is None or (verdict.known and verdict.reason is not None):
        return verdict
    listed = refusal_of_device(await lists or ())
    return verdict if listed is None else AdmissionVerdict(listed, event=verdict.event)


def _shown(question: AdmissionRequest, imsi: str) -> admissions.ShownSim:
    cell, area, *_ = (*question.cells, None, None)
    at = question.at
    return admissions.ShownSim(
        question.element_id, imsi, question.imei, at, cell, area, min(question.cells_at or at, at)
    )


def _report(question: AdmissionRequest, imsi: str) -> Report:
    seen = Evidence(
        imsi=imsi,
        iccid=None,
        imei=question.imei,
        at=question.at,
        where=None if question.apn is None else f"APN {question.apn}",
        cells=question.cells,
        cells_at=question.cells_at,
    )
    return Report(
        gateway_id=question.element_id,
        gateway_name=question.element_name,
        received_at=question.at,
        message=question.message,
        evidence=(seen,),
        authentic=True,
    )
