"""Counters that a network element keeps of a SIM: what was used from one reading to the next.

A counter that shows less than before began anew meanwhile; what it shows now was used since. Pure.
"""

from __future__ import annotations

import enum
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

LARGEST = 10**12
"""A counter that shows more is not believed: no SIM has that many calls, and no column of ours is to overflow."""


class Meter(enum.StrEnum):
    """What is counted."""

    CALL_MINUTES = "callMinutes"
    CALLS = "calls"
    """Calls that were made, answered or not."""
    TALKS = "talks"
    """Calls that were answered."""
    MESSAGES = "messages"
    """Short messages that were sent."""
    MEGABYTES = "megabytes"


class Amounts(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """One counter as it is shown. None: the element does not tell."""

    total: int | float | None = None
    month: int | float | None = None
    """Of the month, as the element's own clock and settings have it; likewise the day."""
    day: int | float | None = None
    total_limit: int | None = None
    """None: no limit."""
    month_limit: int | None = None
    day_limit: int | None = None
    last_24_hours: int | float | None = msgspec.field(default=None, name="last24Hours")
    last_hour: int | float | None = None
    last_access: int | float | None = None
    """In the newest session."""


class Reading(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """All counters of a SIM at an element. None: the element does not show this one."""

    call_minutes: Amounts | None = None
    calls: Amounts | None = None
    talks: Amounts | None = None
    messages: Amounts | None = None
    megabytes: Amounts | None = None
    balance: float | None = None
    """Money that is left, in a currency that is not told."""

    def of(self, meter: Meter) -> Amounts | None:
        """One counter."""
        found: Amounts | None = getattr(self, _FIELDS[meter])
        return found


_FIELDS = {meter: meter.name.lower() for meter in Meter}
_SPANS = ("total", "month", "day")


class CounterSource(Protocol):
    """An observation of a SIM that shows counters; they are read only where they are others than before."""

    @property
    def counter_mark(self) -> object:
        """Equal to the one before as long as no counter has moved. Cheap to make, and small: many are kept."""

    def read_counters(self) -> Reading:
        """The counters."""


class CounterUse(msgspec.Struct, frozen=True):
    """What a SIM used between two readings at one element."""

    imsi: str
    element_id: int
    at: datetime
    """Of the later reading."""
    used: dict[Meter, Decimal]
    """Of those counters that moved."""
    resets: int
    """How many counters began anew."""


class CounterDay(msgspec.Struct, frozen=True, kw_only=True):
    """What a SIM used on a day at an element, or at a part of it."""

    imsi: str
    day: date
    element_id: int
    account_id: str
    bucket: int = 0
    at: datetime
    """Of the last reading that is in it."""
    used: Mapping[Meter, Decimal]
    resets: int
    reading: Reading


class LastReading(msgspec.Struct, frozen=True):
    """What an element showed last."""

    element_id: int
    at: datetime
    reading: Reading


def completed(before: Reading | None, now: Reading) -> Reading:
    """A reading with what it leaves out as it was last shown: an element can be told to show fewer counters."""
    if before is None:
        return now
    left_out = {name: getattr(before, name) for name in Reading.__struct_fields__ if getattr(now, name) is None}
    return msgspec.structs.replace(now, **left_out)


def used_between(before: Reading | None, now: Reading) -> tuple[dict[Meter, Decimal], int]:
    """What was used between two readings, and how many counters began anew.

    Measured by the total, where both show it, else by the month, else by the day. What a first reading shows was used
    before it: nothing is known of when.
    """
    used: dict[Meter, Decimal] = {}
    resets = 0
    if before is None:
        return used, resets
    for meter in Meter:
        earlier, later = before.of(meter), now.of(meter)
        if earlier is None or later is None:
            continue
        for span in _SPANS:
            first, last = getattr(earlier, span), getattr(later, span)
            if first is not None and last is not None:
                began_anew = last < first
                resets += began_anew
                amount = _exact(last) - (Decimal(0) if began_anew else _exact(first))
                if amount:
                    used[meter] = amount
                break
    return used, resets


def day_of(at: datetime) -> date:
    """The day of a time that is in UTC."""
    return at.date()


def believable(number: float | None) -> int | float | None:
    """A number that a counter can show; None for any other."""
    return number if number is not None and 0 <= number <= LARGEST else None


def as_numbers(amounts: Mapping[Meter, Decimal]) -> dict[str, int | float]:
    """Amounts as JSON has them."""
    return {str(meter): int(amount) if amount % 1 == 0 else float(amount) for meter, amount in amounts.items()}


def _exact(number: float) -> Decimal:
    return Decimal(repr(number))
