"""What a SIM may use of data in a calendar month (UTC), what is left of that, and which marks it reached. Pure.

Beyond its allowance nothing is barred: it is what those are told of who ask, or subscribe.
"""

from __future__ import annotations

from datetime import UTC, date, datetime

import msgspec

MIB = 1 << 20
MOST = 100_000_000
"""Mebibytes of the largest allowance: 95 TiB."""
EXCEEDED = 100
MARKS = (50, 75, 90, EXCEEDED)
"""Percentages of an allowance that are told."""


class Reached(msgspec.Struct, frozen=True):
    """How far a SIM has come in a month."""

    month: date
    """Its first day."""
    percent: int
    """The highest of MARKS that was reached; 0: none."""


def month_of(time: datetime) -> datetime:
    """The beginning of the calendar month (UTC) in which a time lies."""
    return time.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def reached(allowance: int, octets: int, now: datetime) -> Reached:
    """How far `octets` in this month have come of an allowance (MiB). It is exceeded by more than all of it; the other
    marks are reached by that much."""
    whole = allowance * MIB
    percent = max((mark for mark in MARKS[:-1] if octets * 100 >= mark * whole), default=0)
    return Reached(month_of(now).date(), EXCEEDED if octets > whole else percent)


def remaining(allowance: int, octets: int) -> int:
    """Octets that are left of an allowance (MiB); 0 where it is used up."""
    return max(allowance * MIB - octets, 0)


def passed(before: Reached | None, after: Reached) -> tuple[int, ...]:
    """The marks that were reached since; those of an earlier month do not count. None, where `before` is of a later
    month: the clock was set back."""
    if before is not None and before.month > after.month:
        return ()
    told = before.percent if before is not None and before.month == after.month else 0
    return tuple(mark for mark in MARKS if told < mark <= after.percent)
