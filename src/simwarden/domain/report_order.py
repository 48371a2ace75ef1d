"""In which order a gateway's reports were made, although they carry no time.

Port objects and whole statuses of an Ejoin gateway carry sequence numbers that start again at 1 when it restarts. A
number that does not continue the numbering makes a report doubtful, not false: anybody who hears one report in clear
HTTP can invent a number. So several numberings are followed at once. A status that continues another one than that of
the last status, half a report interval after it was seen first, is believed: a gateway that lives keeps on counting.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from simwarden.domain.doubt import DoubtKind

REMEMBERED_BOOTS = 32
REMEMBERED_LINES = 8
SILENT_INTERVALS = 3
"""Report intervals without anything new after which a gateway counts as offline."""
NEAR = 50
"""How far ahead the next number may be, when some were lost,"""
AHEAD = 2000
"""and how far for a device that numbers all its messages together."""
PORT_AHEAD = 10_000
"""How far ahead the next number of a port may be: of 256 ports that share a counter."""


class Line(msgspec.Struct, frozen=True):
    """A numbering that the statuses of a gateway may be following."""

    sequence: int
    """Highest number of it."""
    since: datetime
    """When it was first seen without being believed, or last believed."""


class ReportOrder(msgspec.Struct, frozen=True):
    """What is known of a gateway's counters."""

    boot: int = 0
    """Counts the restarts we noticed."""
    status_sequence: int | None = None
    """Highest number of a whole status since then."""
    boot_digests: tuple[bytes, ...] = ()
    """Digests of the statuses that began a boot: a replayed one is not a restart."""
    accepted_at: datetime | None = None
    """When a report last was neither late nor a repeat."""
    lines: tuple[Line, ...] = ()
    """Other numberings, newest last: doubted ones, and those before a restart that may have been invented."""


def offline_after(interval: int) -> timedelta:
    """How long a gateway that reports every `interval` seconds may be silent."""
    return timedelta(seconds=max(interval, 1) * SILENT_INTERVALS)


def follow_status(
    order: ReportOrder, sequence: int | None, digest: bytes, now: datetime, interval: int
) -> tuple[ReportOrder, DoubtKind | None]:
    """A whole status came. Returns the new order, and why the status is doubted; None when it is to be believed."""
    last = order.status_sequence
    silent = order.accepted_at is not None and now - order.accepted_at > offline_after(interval)
    if sequence is None:
        return msgspec.structs.replace(order, boot=max(order.boot, 1), accepted_at=now), None
    if last is None:
        if digest in order.boot_digests:  # began an earlier boot
            return _doubted(order, sequence, now), DoubtKind.REPLAY
        return _begun(order, max(order.boot, 1), sequence, digest, now), None
    if _continues(order, last, sequence, now, interval):
        begins = order.boot == 0 or sequence == 1
        remembered = (*order.boot_digests, digest)[-REMEMBERED_BOOTS:] if begins else order.boot_digests
        return ReportOrder(max(order.boot, 1), sequence, remembered, now, order.lines), None
    # The number 1 again is a repeat only when it is the same status: else a restart, or one from an earlier boot.
    if sequence == last and (sequence > 1 or not order.boot_digests or digest == order.boot_digests[-1]):
        return msgspec.structs.replace(order, accepted_at=now), None
    if digest not in order.boot_digests and (sequence <= 1 or silent):
        return _begun(order, order.boot + 1, sequence, digest, now), None
    half = timedelta(seconds=max(interval, 1) / 2)
    for line in order.lines:
        if line.sequence < sequence <= line.sequence + AHEAD and now - line.since >= half:
            others = tuple(other for other in order.lines if other is not line)
            current = msgspec.structs.replace(order, lines=others)
            return _begun(current, order.boot + 1, sequence, None, now), None
    kind = DoubtKind.REPLAY if digest in order.boot_digests else DoubtKind.LATE if sequence < last else DoubtKind.JUMP
    return _doubted(order, sequence, now), kind


def follow_poll(order: ReportOrder, sequence: int | None, now: datetime) -> ReportOrder:
    """The gateway answered when it was asked for its status: its numbering is the one that this status continues."""
    last = order.status_sequence
    if sequence is None or sequence < 1 or not order.lines:
        return order
    if last is not None and last <= sequence <= last + AHEAD:
        return msgspec.structs.replace(order, status_sequence=sequence, lines=())
    return _begun(order, order.boot + 1, sequence, None, now)


def follow_port(order: ReportOrder, now: datetime, interval: int) -> ReportOrder:
    """A single port's report came: after a long silence its numbers may have started again."""
    silent = order.accepted_at is not None and now - order.accepted_at > offline_after(interval)
    if silent:
        begun = msgspec.structs.replace(order, boot=order.boot + 1, status_sequence=None, accepted_at=now)
        return msgspec.structs.replace(begun, lines=_with_current(order, now))
    return msgspec.structs.replace(order, boot=max(order.boot, 1))


def doubt_port(boot: int, sequence: int | None, known_boot: int, known_sequence: int | None) -> DoubtKind | None:
    """Why a port object with this number is doubted, next to the number that the port's state is from.

    Numbers of different boots say nothing about each other.
    """
    if sequence is None or known_sequence is None or known_boot != boot:
        return None
    if sequence < known_sequence:
        return DoubtKind.LATE
    return DoubtKind.JUMP if sequence > known_sequence + PORT_AHEAD else None


def may_be_overtaken(known_at: datetime, now: datetime, interval: int) -> bool:
    """Whether a status in its order may hold a port object that a newer single report overtook on the way.

    `known_at`: when the newer one came. Not half an interval later: then its number was wrong, not the status.
    """
    return now - known_at < timedelta(seconds=max(interval, 1) / 2)


def _continues(order: ReportOrder, last: int, sequence: int, now: datetime, interval: int) -> bool:
    elapsed = (now - order.accepted_at).total_seconds() if order.accepted_at else 0.0
    elapsed = max(elapsed, 0.0)  # a clock that was set back does not make the next number implausible
    if last < sequence <= last + NEAR + int(4 * elapsed / max(interval, 1)):
        return True
    # Far ahead, and below what another numbering has come to: it may be an old status of that one.
    return last < sequence <= last + AHEAD and not any(sequence <= line.sequence for line in order.lines)


def _begun(order: ReportOrder, boot: int, sequence: int, digest: bytes | None, now: datetime) -> ReportOrder:
    """Another numbering is the gateway's now; the one before is remembered."""
    remembered = order.boot_digests if digest is None else (*order.boot_digests, digest)[-REMEMBERED_BOOTS:]
    return ReportOrder(boot, sequence, remembered, now, _with_current(order, now))


def _with_current(order: ReportOrder, now: datetime) -> tuple[Line, ...]:
    if order.status_sequence is None:
        return order.lines
    return (*order.lines, Line(order.status_sequence, order.accepted_at or now))[-REMEMBERED_LINES:]


def _doubted(order: ReportOrder, sequence: int, now: datetime) -> ReportOrder:
    """Remember the number of a doubted status: the next of the same numbering may be believed."""
    lines = list(order.lines)
    for place, line in enumerate(lines):
        if sequence == line.sequence:
            return order
        if line.sequence < sequence <= line.sequence + AHEAD:
            lines[place] = Line(sequence, line.since)
            return msgspec.structs.replace(order, lines=tuple(lines))
    return msgspec.structs.replace(order, lines=(*lines, Line(sequence, now))[-REMEMBERED_LINES:])
