"""The data sessions that a batch of reports speaks of: followed, stored, and what they say of devices.

A beginning says in which device a SIM is now. So does each report of its course, unless the SIM was seen in another
device since the session began: a session has one device, and its element may not know yet that it is over.
"""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.counters import CounterUse, Meter
from simwarden.domain.reports import Evidence
from simwarden.domain.session import (
    MOST_OCTETS,
    News,
    Octets,
    Phase,
    Restriction,
    follow,
    restrict,
    says_too_much,
    used_between,
)
from simwarden.store import attachments, sessions, sims, volumes
from simwarden.store.places import CellReport

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    import asyncpg

    from simwarden.domain.reports import Report
    from simwarden.domain.session import Session, SessionNote
    from simwarden.domain.sim import NetworkTarget
    from simwarden.store.gateways import LockedGateway
    from simwarden.store.sessions import Key

_NOTHING = Octets()
MOST = 32
"""Sessions of a SIM that are kept of an element, live ones before ended ones. 3GPP allows a device 11 bearers; an
element that invents sessions fills no table."""


class SessionBook:
    """Of one transaction, which has locked the network elements that report."""

    def __init__(
        self, connection: asyncpg.Connection, gateways: Mapping[int, LockedGateway], refresh: timedelta
    ) -> None:
        """`refresh`: how old the stored time of a session's last report may become."""
        self._connection = connection
        self._gateways = gateways
        self._refresh = refresh
        self._stored: dict[Key, Session] = {}
        self._now: dict[Key, Session] = {}
        self._restarts: dict[int, datetime] = {}
        self._carried: dict[tuple[str, NetworkTarget], Report] = {}
        """Targets of SIMs whose sessions began, went on or ended, and the newest report that said so."""
        self.evidence: list[tuple[Report, Evidence]] = []
        """What the reports say of devices, in the order in which they came."""
        self.live: set[NetworkTarget] = set()
        """Targets of which `to_be_shown` found that a session goes on, and that its packets pass;"""
        self.restricted: set[NetworkTarget] = set()
        """and those of which it found one that goes on, whose packets pass no more, perhaps."""
        self.cells: list[CellReport] = []
        """What they say of cells, of SIMs that may say so to this element."""
        self.written: dict[str, tuple[Report, str]] = {}
        """SIMs of which a session was written, or data counted, by IMSI: by which report, and what of it."""
        self.news: Counter[str] = Counter()
        """What became of the reports of sessions, for the metrics."""
        self.uses: list[CounterUse] = []
        """Data that SIMs used, in the order in which it was reported."""
        self._volumes: dict[volumes.Share, tuple[Octets, datetime]] = {}

    async def follow(self, reports: Sequence[Report]) -> None:
        """Take in what reports say of sessions.

        An element that is pinned to an account has no say in the sessions of other accounts' SIMs.
        """
        told = [report for report in reports if report.sessions or report.restarted_at is not None]
        told = [report for report in told if report.gateway_id in self._gateways]
        if not told:
            return
        named = await self._name([note for report in told for note in report.sessions])
        keys = {
            (imsi, report.gateway_id, note.key)
            for report in told
            for note in report.sessions
            if (imsi := named(note)) and not self._is_foreign(report, named.owner(imsi))
        }
        self._stored = await sessions.find(self._connection, sorted(keys)) if keys else {}
        self._restarts = await sessions.restarts(self._connection, sorted({report.gateway_id for report in told}))
        for report in told:
            await self._restart(report)
            for note in report.sessions:
                imsi = named(note)
                if imsi is None:
                    self.news["unknown_sim"] += 1
                elif self._is_foreign(report, named.owner(imsi)):
                    self.news["foreign"] += 1
                    if note.phase is not Phase.ENDED:  # a sighting that is doubted, like those of slots
                        self._sighting(report, msgspec.structs.replace(note, imsi=imsi), note.at, None)
                else:
                    self._take(report, note, imsi, named.owner(imsi))
        counted: list[Session] = []
        others: list[Session] = []
        for key, session in self._now.items():
            stored = self._stored.get(key)
            if self._is_to_be_written(session, stored):
                (counted if _is_counted_alone(session, stored) else others).append(session)
        if self._volumes:
            await volumes.add(self._connection, self._volumes)
        if counted:
            await sessions.count(self._connection, counted)
        if others:
            await sessions.save(self._connection, others)
        changed = counted + others
        if changed:
            carried = ((one, self._carried.get((one.imsi, one.target))) for one in changed)
            self.written |= {one.imsi: (report, f"session {one.key}") for one, report in carried if report is not None}
        added = {(imsi, element_id) for imsi, element_id, _ in self._now.keys() - self._stored.keys()}
        if added:
            await sessions.forget_oldest(self._connection, sorted(added), MOST)

    def carried(self) -> dict[str, Report]:
        """SIMs, by IMSI, whose sessions began, went on or ended, and a report that said so."""
        return {imsi: report for (imsi, _), report in self._carried.items()}

    async def to_be_shown(self) -> list[tuple[str, NetworkTarget, Report]]:
        """SIMs at elements that carry their sessions, where a bar has to know: IMSI, target, the newest report.

        A SIM is attached at an element when its first session of an access point name begins there. From then on only
        what may prove a command, or call for one, is to be shown: while something is to be off, or the command is under
        way; and what shows that something is not off any more, because the next bar would take it for done.
        """
        if not self._carried:
            return []
        known = await attachments.settled_at(self._connection, sorted(self._carried, key=_order))
        shown = sorted((key for key in self._carried if not known.get(key[1], False)), key=_order)
        if shown:
            carried = sorted({(imsi, target.element_id) for imsi, target in shown})
            found = await sessions.live_at(self._connection, carried, self._restarts)
            self.live |= {session.target for session in found if not session.is_restricted}
            self.restricted |= {one.target for one in found if one.restriction is not Restriction.NONE}
        return [(imsi, to, self._carried[imsi, to]) for imsi, to in shown if to in known or to in self.live]

    async def _name(self, notes: Sequence[SessionNote]) -> _Named:
        """Whose sessions these are: registered SIMs, by IMSI or else by phone number."""
        numbers = sorted({note.msisdn for note in notes if note.imsi is None and note.msisdn})
        by_number = await sessions.imsi_of_msisdn(self._connection, numbers) if numbers else {}
        imsis = {note.imsi or by_number.get(note.msisdn or "") for note in notes} - {None}
        return _Named(await sims.accounts_of(self._connection, sorted(filter(None, imsis))), by_number)

    def _is_foreign(self, report: Report, owner: str) -> bool:
        return self._gateways[report.gateway_id].account_id not in (None, owner)

    async def _restart(self, report: Report) -> None:
        at = report.restarted_at
        if at is None:
            return
        self.news["restart"] += 1
        if at > self._restarts.get(report.gateway_id, at.min.replace(tzinfo=at.tzinfo)):
            self._restarts[report.gateway_id] = at
            await sessions.restarted(self._connection, report.gateway_id, at)

    def _take(self, report: Report, note: SessionNote, imsi: str, account_id: str) -> None:
        key = (imsi, report.gateway_id, note.key)
        known = self._now.get(key) or self._stored.get(key)
        if note.restriction is not None:
            changed = restrict(known, note)
            if changed is not None:
                self._now[key] = changed
                self._carried[imsi, changed.target] = report
            return
        session, news = follow(known, note, imsi, report.gateway_id, self._restarts.get(report.gateway_id))
        self._now[key] = session
        self.news[news] += 1
        if says_too_much(note, session):
            self.news["unbelievable"] += 1
        used = used_between(known, session)
        if used:
            self._use(report, session, min(note.at, report.received_at), used, account_id)
        if news in (News.BEGAN, News.WENT_ON, News.ENDED):
            self._carried[imsi, session.target] = report
        if news in (News.BEGAN, News.WENT_ON):
            since = None if note.phase is Phase.BEGAN else session.began_at
            self._sighting(report, session, note.at, since)
            if note.cells:
                cell, *around = note.cells
                at = note.cells_at or note.at
                self.cells.append(CellReport(imsi, cell, next(iter(around), None), at, session.imei, since))
        elif news is News.ENDED and known is None:
            self._sighting(report, session, session.began_at, session.began_at)

    def _use(self, report: Report, session: Session, at: datetime, used: Octets, account_id: str) -> None:
        """Count data of a SIM: by the hour, and for rules."""
        share = volumes.share_of(session.imsi, at, report.gateway_id, account_id)
        before, newest = self._volumes.get(share, (_NOTHING, at))
        up, down = min(before.up + used.up, MOST_OCTETS), min(before.down + used.down, MOST_OCTETS)
        self._volumes[share] = Octets(up, down), max(newest, at)
        self.written[session.imsi] = report, f"session {session.key}"
        megabytes = Decimal(used.up + used.down) / 1_000_000
        self.uses.append(CounterUse(session.imsi, report.gateway_id, at, {Meter.MEGABYTES: megabytes}, 0))

    def _is_to_be_written(self, session: Session, stored: Session | None) -> bool:
        """Whether it differs from what is stored by more than the time of a report that is hardly newer."""
        if stored is None or session.seen_at >= stored.seen_at + self._refresh:
            return session != stored
        return session != msgspec.structs.replace(stored, seen_at=session.seen_at)

    def _sighting(self, report: Report, session: Session | SessionNote, at: datetime, since: datetime | None) -> None:
        self.evidence.append(
            (
                report,
                Evidence(
                    imsi=session.imsi,
                    iccid=None,
                    imei=session.imei,
                    at=at,
                    since=since,
                    where=f"session {session.key}",
                ),
            )
        )


def _is_counted_alone(session: Session, stored: Session | None) -> bool:
    """Whether a report only said more octets, later."""
    return stored is not None and session == msgspec.structs.replace(
        stored, seen_at=session.seen_at, up=session.up, down=session.down, parts=session.parts
    )


def _order(key: tuple[str, NetworkTarget]) -> tuple[str, int, str]:
    imsi, target = key
    return imsi, target.element_id, target.key


class _Named:
    """Which registered SIM a report of a session speaks of."""

    def __init__(self, owners: Mapping[str, str], by_number: Mapping[str, str]) -> None:
        self._owners = owners
        self._by_number = by_number

    def __call__(self, note: SessionNote) -> str | None:
        imsi = note.imsi or self._by_number.get(note.msisdn or "")
        return imsi if imsi in self._owners else None

    def owner(self, imsi: str) -> str:
        """The account of a registered SIM."""
        return self._owners[imsi]
