"""In which order a gateway's reports were made, although they carry no time.

Port objects and whole statuses of an Ejoin gateway carry sequence numbers that start again at 1 when it restarts.
A number lower than one seen since the restart marks a report that is late or replayed.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

REMEMBERED_BOOTS = 32
SILENT_INTERVALS = 3
"""Report intervals without anything new after which a gateway counts as offline."""


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


def offline_after(interval: int) -> timedelta:
    """How long a gateway that reports every `interval` seconds may be silent."""
    return timedelta(seconds=max(interval, 1) * SILENT_INTERVALS)


def follow_status(
    order: ReportOrder, sequence: int | None, digest: bytes, now: datetime, interval: int
) -> tuple[ReportOrder, bool]:
    """A whole status came. Returns the new order and whether the status is to be believed."""
    last = order.status_sequence
    silent = order.accepted_at is not None and now - order.accepted_at > offline_after(interval)
    if last is None and sequence is not None and digest in order.boot_digests:
        return order, False  # began an earlier boot
    if sequence is None or last is None or last < sequence <= _plausible(order, last, now, interval):
        begins = last is None or order.boot == 0
        remembered = (
            (*order.boot_digests, digest)[-REMEMBERED_BOOTS:] if begins or sequence == 1 else order.boot_digests
        )
        return ReportOrder(max(order.boot, 1), sequence if sequence is not None else last, remembered, now), True
    # The number 1 again is a repeat only when it is the same status: else a restart, or one from an earlier boot.
    if sequence == last and (sequence > 1 or not order.boot_digests or digest == order.boot_digests[-1]):
        return msgspec.structs.replace(order, accepted_at=now), True
    if digest not in order.boot_digests and (sequence <= 1 or silent):
        remembered = (*order.boot_digests, digest)[-REMEMBERED_BOOTS:]
        return ReportOrder(order.boot + 1, sequence, remembered, now), True
    return order, False


def _plausible(order: ReportOrder, last: int, now: datetime, interval: int) -> int:
    """How far the number may have come since: a larger one is from before a restart."""
    elapsed = (now - order.accepted_at).total_seconds() if order.accepted_at else 0.0
    elapsed = max(elapsed, 0.0)  # a clock that was set back does not make the next number implausible
    return last + 50 + int(4 * elapsed / max(interval, 1))


def follow_port(order: ReportOrder, now: datetime, interval: int) -> ReportOrder:
    """A single port's report came: after a long silence its numbers may have started again."""
    silent = order.accepted_at is not None and now - order.accepted_at > offline_after(interval)
    if silent:
        return msgspec.structs.replace(order, boot=order.boot + 1, status_sequence=None, accepted_at=now)
    return msgspec.structs.replace(order, boot=max(order.boot, 1))


def is_late(boot: int, sequence: int | None, known_boot: int, known_sequence: int | None) -> bool:
    """Whether a port object with this number was made before the one that the port's state is from.

    Numbers of different boots say nothing about each other.
    """
    if sequence is None or known_sequence is None or known_boot != boot:
        return False
    return sequence < known_sequence
