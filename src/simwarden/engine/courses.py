"""Reports that a session goes on unchanged. Nearly all accounting is of this kind: only octets and time are stored.

One statement selects and counts them: the session, device, network and cell equal the stored ones, no function is to
be off, and nobody waits for reports of the SIM. Stored times that are old are renewed, where nothing is decided by
that: the SIM is in no slot and under no bar, and its place in its history stays. All other reports are processed in
full (`engine/batch.py`). What is counted here counts as if it had arrived just before the other reports of its batch,
which the network might have done as well.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from simwarden.domain.session import Phase, believable
from simwarden.store import seen_again, sessions

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime, timedelta

    import asyncpg

    from simwarden.domain.reports import Report


async def count(
    connection: asyncpg.Connection, reports: Sequence[Report], elements: Collection[int], refresh: timedelta
) -> list[Report]:
    """Count what sessions used that only go on; returns the other reports, in their order.

    `elements`: those that are locked by this transaction. `refresh`: how old the stored time of a report may become.
    Raises TryAgain.
    """
    told = _of_one_session_each(reports, elements)
    if not told:
        return list(reports)
    candidates = list(told.values())
    known = await sessions.go_on(
        connection, [(report.gateway_id, report.sessions[0]) for report in candidates], refresh
    )
    if not known:
        return list(reports)
    held: dict[str, tuple[datetime, int]] = {}
    seen: dict[str, tuple[datetime, datetime]] = {}
    cells: dict[str, datetime] = {}
    counted: set[int] = set()
    for course in known:
        report = candidates[course.place]
        counted.add(id(report))
        if course.sim_due or course.cell_due:
            note = report.sessions[0]
            imsi = note.imsi or ""
            held[imsi] = course.sim_seen_at, course.sim_events
            if course.sim_due:
                seen[imsi] = note.at, course.began_at
            if course.cell_due:
                cells[imsi] = note.cells_at or note.at
    if held:
        await seen_again.hold(connection, held)
    if seen:
        await seen_again.renew(connection, seen)
    if cells:
        await seen_again.renew_cells(connection, cells)
    return [report for report in reports if id(report) not in counted]


def _of_one_session_each(reports: Sequence[Report], elements: Collection[int]) -> dict[str, Report]:
    """Those that say of one session that it goes on, and nothing else, by IMSI; of a SIM of which a batch holds several
    reports of sessions, none: their order matters."""
    named = Counter([note.imsi for report in reports for note in report.sessions])
    restarted = {report.gateway_id for report in reports if report.restarted_at is not None}
    return {
        report.sessions[0].imsi or "": report
        for report in reports
        if len(report.sessions) == 1
        and _only_goes_on(report)
        and named[report.sessions[0].imsi] == 1
        and report.gateway_id in elements
        and report.gateway_id not in restarted
    }


def _only_goes_on(report: Report) -> bool:
    """Whether it says that a session goes on, with octets in totals that can be believed, and nothing else.

    A name of a session that holds a line break cannot be compared together with others.
    """
    note = report.sessions[0]
    return (
        note.phase is Phase.GOES_ON
        and note.imsi is not None
        and note.used is None
        and (note.octets is None or believable(note.octets))
        and note.at <= report.received_at
        and "\n" not in note.key
        and not (report.ports or report.evidence or report.sms or report.calls or report.subscribers)
    )
